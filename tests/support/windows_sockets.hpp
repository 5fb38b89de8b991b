// SPDX-License-Identifier: MIT
// Sockets made and used by calls of Winsock alone, for sockets.hpp. A number stands for a handle.
#pragma once

#include <aloft/detail/reactor/windows_handle.hpp>

#include <support/loopback_address.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

namespace test_support {

using aloft::detail::socket_of;

[[nodiscard]] inline int checked(int answer, const char* call) {
    if (answer < 0) {
        throw std::system_error(::WSAGetLastError(), std::system_category(), call);
    }
    return answer;
}

[[nodiscard]] inline int plain_socket() {
    aloft::detail::start_winsock();
    return checked(aloft::detail::number_of_socket(::socket(AF_INET, SOCK_STREAM, 0)), "socket");
}

/// Waits until it is connected.
inline void plain_connect(int fd, std::uint16_t port) {
    const sockaddr_in address = loopback_address(port);
    (void)checked(
        ::connect(socket_of(fd), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        "connect");
}

inline void make_blocking(int fd, bool blocking) {
    u_long does_not = blocking ? 0 : 1;
    (void)checked(::ioctlsocket(socket_of(fd), static_cast<long>(FIONBIO), &does_not), "FIONBIO");
}

/// Begins to connect, and returns.
[[nodiscard]] inline int connecting_socket(std::uint16_t port) {
    const sockaddr_in address = loopback_address(port);
    const int fd = plain_socket();
    make_blocking(fd, false);
    (void)::connect(socket_of(fd), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    return fd;
}

/// The port that it was given.
[[nodiscard]] inline std::uint16_t bind_to_free_port(int fd) {
    sockaddr_in address = loopback_address(0);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    (void)checked(::bind(socket_of(fd), generic, length), "bind");
    (void)checked(::getsockname(socket_of(fd), generic, &length), "getsockname");
    return ntohs(address.sin_port);
}

[[nodiscard]] inline int plain_accept(int listener) {
    return checked(aloft::detail::number_of_socket(::accept(socket_of(listener), nullptr, nullptr)),
                   "accept");
}

/// Whether all of it was sent, at once or after a while.
[[nodiscard]] inline bool plain_send(int fd, const void* data, std::size_t bytes) {
    return ::send(socket_of(fd), static_cast<const char*>(data), static_cast<int>(bytes), 0) ==
           static_cast<int>(bytes);
}

/// Waits; whether as much has come.
[[nodiscard]] inline bool plain_receive(int fd, void* data, std::size_t bytes) {
    return ::recv(socket_of(fd), static_cast<char*>(data), static_cast<int>(bytes), MSG_WAITALL) ==
           static_cast<int>(bytes);
}

inline void plain_end_of_sending(int fd) {
    ::shutdown(socket_of(fd), SD_SEND);
}

inline void set_buffer_sizes(int fd, int bytes) {
    const auto* const value = reinterpret_cast<const char*>(&bytes);
    (void)::setsockopt(socket_of(fd), SOL_SOCKET, SO_SNDBUF, value, sizeof bytes);
    (void)::setsockopt(socket_of(fd), SOL_SOCKET, SO_RCVBUF, value, sizeof bytes);
}

[[nodiscard]] inline bool has_no_delay(int fd) {
    int value = 0;
    int size = sizeof value;
    (void)::getsockopt(socket_of(fd), IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<char*>(&value),
                       &size);
    return value != 0;
}

/// Its close is a reset instead of an orderly end.
inline void make_close_a_reset(int fd) {
    const linger at_once{1, 0};
    (void)checked(::setsockopt(socket_of(fd), SOL_SOCKET, SO_LINGER,
                               reinterpret_cast<const char*>(&at_once), sizeof at_once),
                  "setsockopt SO_LINGER");
}

/// Two ends of a TCP connection whose buffers do not grow: there are no pairs of UNIX sockets.
[[nodiscard]] inline std::array<int, 2> plain_pair() {
    const int listener = plain_socket();
    set_buffer_sizes(listener, 65536);
    const std::uint16_t port = bind_to_free_port(listener);
    (void)checked(::listen(socket_of(listener), 1), "listen");
    const int near = plain_socket();
    set_buffer_sizes(near, 65536);
    plain_connect(near, port);
    const int far = plain_accept(listener);
    (void)::closesocket(socket_of(listener));
    return {near, far};
}

/// Writes until nothing more is taken: the next write waits. What is under way to the other end makes
/// room here when it arrives, so there is some patience in it.
inline void fill(int fd) {
    const std::vector<char> block(65536, 'f');
    make_blocking(fd, false);
    for (int refused = 0; refused < 4;) {
        if (::send(socket_of(fd), block.data(), static_cast<int>(block.size()), 0) > 0) {
            refused = 0;
        } else {
            ++refused;
            std::this_thread::sleep_for(std::chrono::milliseconds(50)); // delayed answers: 40
        }
    }
    make_blocking(fd, true);
}

/// Something that is open and no socket.
[[nodiscard]] inline int no_socket() {
    return aloft::detail::number_of_file(::CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, 0,
                                                       nullptr, OPEN_EXISTING, FILE_FLAG_OVERLAPPED,
                                                       nullptr));
}

} // namespace test_support

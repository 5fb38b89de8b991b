// SPDX-License-Identifier: MIT
// Sockets made and used by calls of POSIX alone, for sockets.hpp.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <support/loopback_address.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <vector>

namespace test_support {

[[nodiscard]] inline int checked(int answer, const char* call) {
    if (answer < 0) {
        throw std::system_error(errno, std::system_category(), call);
    }
    return answer;
}

[[nodiscard]] inline int plain_socket() {
    return checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
}

/// Waits until it is connected.
inline void plain_connect(int fd, std::uint16_t port) {
    const sockaddr_in address = loopback_address(port);
    (void)checked(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address),
                  "connect");
}

/// Begins to connect, and returns.
[[nodiscard]] inline int connecting_socket(std::uint16_t port) {
    const sockaddr_in address = loopback_address(port);
    const int fd =
        checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    (void)::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    return fd;
}

/// The port that it was given.
[[nodiscard]] inline std::uint16_t bind_to_free_port(int fd) {
    sockaddr_in address = loopback_address(0);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    (void)checked(::bind(fd, generic, length), "bind");
    (void)checked(::getsockname(fd, generic, &length), "getsockname");
    return ntohs(address.sin_port);
}

[[nodiscard]] inline int plain_accept(int listener) {
    return checked(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept4");
}

/// Whether all of it was sent, at once or after a while.
[[nodiscard]] inline bool plain_send(int fd, const void* data, std::size_t bytes) {
    return ::send(fd, data, bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes);
}

/// Waits; whether as much has come.
[[nodiscard]] inline bool plain_receive(int fd, void* data, std::size_t bytes) {
    return ::recv(fd, data, bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes);
}

inline void plain_end_of_sending(int fd) {
    ::shutdown(fd, SHUT_WR);
}

inline void set_buffer_sizes(int fd, int bytes) {
    (void)::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

[[nodiscard]] inline bool has_no_delay(int fd) {
    int value = 0;
    socklen_t size = sizeof value;
    (void)::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size);
    return value != 0;
}

/// Its close is a reset instead of an orderly end.
inline void make_close_a_reset(int fd) {
    const linger at_once{1, 0};
    (void)checked(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
                  "setsockopt SO_LINGER");
}

/// Two ends of a UNIX socket.
[[nodiscard]] inline std::array<int, 2> plain_pair() {
    std::array<int, 2> ends{};
    (void)checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
    return ends;
}

/// Two ends of a UNIX socket for datagrams, of which a full one makes senders wait.
[[nodiscard]] inline std::array<int, 2> plain_datagram_pair() {
    std::array<int, 2> ends{};
    (void)checked(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
    return ends;
}

/// Whether there was room for it.
[[nodiscard]] inline bool plain_send_at_once(int fd, const char* byte) {
    return ::send(fd, byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/// Writes until nothing more is taken: the next write waits.
inline void fill(int fd) {
    const std::vector<char> block(65536, 'f');
    while (::send(fd, block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
}

/// Something that is open and no socket.
[[nodiscard]] inline int no_socket() {
    return ::dup(STDERR_FILENO);
}

} // namespace test_support

// SPDX-License-Identifier: MIT
// Connected sockets, full sockets, and peers that misbehave, made without the library's operations.
#pragma once

#include <aloft/tcp.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace test_support {

struct stream_pair {
    aloft::tcp_stream near;
    aloft::tcp_stream far;
};

[[nodiscard]] inline int checked(int answer, const char* call) {
    if (answer < 0) {
        throw std::system_error(errno, std::system_category(), call);
    }
    return answer;
}

[[nodiscard]] inline aloft::tcp_stream own_socket(int fd) {
    return aloft::tcp_stream(aloft::detail::descriptor(fd));
}

/// Two ends of a UNIX socket: a tcp_stream reads and writes any stream socket.
[[nodiscard]] inline stream_pair unix_pair() {
    std::array<int, 2> ends{};
    (void)checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
    return {own_socket(ends[0]), own_socket(ends[1])};
}

[[nodiscard]] inline sockaddr_in loopback_address(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// Two ends of a TCP connection over the loopback.
[[nodiscard]] inline stream_pair tcp_pair() {
    aloft::tcp_listener listener = aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
    const sockaddr_in address = loopback_address(listener.local_endpoint().port());
    aloft::tcp_stream near =
        own_socket(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    (void)checked(::connect(near.native_handle(), reinterpret_cast<const sockaddr*>(&address),
                            sizeof address),
                  "connect");
    aloft::tcp_stream far = own_socket(
        checked(::accept4(listener.native_handle(), nullptr, nullptr, SOCK_CLOEXEC), "accept4"));
    return {std::move(near), std::move(far)};
}

/// Writes until nothing more is taken: the next write waits.
inline void fill(int socket) {
    const std::vector<char> block(65536, 'f');
    while (::send(socket, block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
}

/// Closes with a reset instead of an orderly end.
inline void close_with_reset(aloft::tcp_stream& stream) {
    const linger at_once{1, 0};
    (void)checked(
        ::setsockopt(stream.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
        "setsockopt SO_LINGER");
    stream.close();
}

/// A listener whose queue is full: connecting to it neither succeeds nor fails for a long time.
class deaf_listener {
public:
    deaf_listener() : listener_(aloft::tcp_listener::bind(aloft::endpoint::loopback(0), 0)) {
        const sockaddr_in address = loopback_address(listener_.local_endpoint().port());
        for (int i = 0; i < 4; ++i) {
            const int fd =
                checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
            queue_.emplace_back(fd);
            (void)::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
        }
    }

    [[nodiscard]] aloft::endpoint local_endpoint() const { return listener_.local_endpoint(); }

private:
    aloft::tcp_listener listener_;
    std::vector<aloft::detail::descriptor> queue_;
};

/// A port of the loopback on which nobody listens, and nobody else can begin to meanwhile.
class silent_port {
public:
    silent_port() : socket_(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
        sockaddr_in address = loopback_address(0);
        socklen_t length = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        (void)checked(::bind(socket_.get(), generic, length), "bind");
        (void)checked(::getsockname(socket_.get(), generic, &length), "getsockname");
        port_ = ntohs(address.sin_port);
    }

    [[nodiscard]] aloft::endpoint endpoint() const { return aloft::endpoint::loopback(port_); }

private:
    aloft::detail::descriptor socket_;
    std::uint16_t port_ = 0;
};

} // namespace test_support

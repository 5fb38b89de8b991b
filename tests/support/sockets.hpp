// SPDX-License-Identifier: MIT
// Connected sockets, full sockets, and peers that misbehave, made without the library's operations.
#pragma once

#include <aloft/tcp.hpp>

#if defined(_WIN32)
#include <support/windows_sockets.hpp>
#else
#include <support/posix_sockets.hpp>
#endif

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace test_support {

struct stream_pair {
    aloft::tcp_stream near;
    aloft::tcp_stream far;
};

[[nodiscard]] inline aloft::tcp_stream own_socket(int fd) {
    return aloft::tcp_stream(aloft::detail::descriptor(fd));
}

/// Two ends of a UNIX socket where there are such: a tcp_stream reads and writes any stream socket.
[[nodiscard]] inline stream_pair unix_pair() {
    const std::array<int, 2> ends = plain_pair();
    return {own_socket(ends[0]), own_socket(ends[1])};
}

/// Two ends of a TCP connection over the loopback.
[[nodiscard]] inline stream_pair tcp_pair() {
    aloft::tcp_listener listener = aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
    aloft::tcp_stream near = own_socket(plain_socket());
    plain_connect(near.native_handle(), listener.local_endpoint().port());
    aloft::tcp_stream far = own_socket(plain_accept(listener.native_handle()));
    return {std::move(near), std::move(far)};
}

/// Closes with a reset instead of an orderly end.
inline void close_with_reset(aloft::tcp_stream& stream) {
    make_close_a_reset(stream.native_handle());
    stream.close();
}

/// A listener whose queue is full: connecting to it neither succeeds nor fails for a long time.
class deaf_listener {
public:
    deaf_listener() : listener_(aloft::tcp_listener::bind(aloft::endpoint::loopback(0), 0)) {
        for (int i = 0; i < 4; ++i) {
            queue_.emplace_back(connecting_socket(listener_.local_endpoint().port()));
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
    silent_port() : socket_(plain_socket()), port_(bind_to_free_port(socket_.get())) {}

    [[nodiscard]] aloft::endpoint endpoint() const { return aloft::endpoint::loopback(port_); }

private:
    aloft::detail::descriptor socket_;
    std::uint16_t port_;
};

} // namespace test_support

// SPDX-License-Identifier: MIT
// doorbell on Windows, which has no readiness: a connection, and a read of one byte that waits. It takes
// the ring away.
#pragma once

#include <support/sockets.hpp>

#include <aloft/task.hpp>
#include <aloft/with_timeout.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <span>

namespace test_support {

/// A read stands for it, which takes what there is.
[[nodiscard]] inline aloft::task<void> until_readable(const aloft::tcp_stream& stream) {
    std::array<char, 1> byte{};
    (void)co_await stream.read_some(std::span(byte));
}
[[nodiscard]] inline aloft::task<void> until_readable(const aloft::tcp_stream& stream,
                                                      std::chrono::nanoseconds limit) {
    co_await aloft::with_timeout(limit, until_readable(stream));
}

class doorbell {
public:
    doorbell() : pair_(tcp_pair()) { pair_.far.set_no_delay(); }

    void ring() const { REQUIRE(plain_send(pair_.far.native_handle(), "r", 1)); }
    [[nodiscard]] aloft::task<void> wait() const { return until_readable(pair_.near); }
    [[nodiscard]] aloft::task<void> wait(std::chrono::hours limit) const {
        return until_readable(pair_.near, limit);
    }
    /// After one ring, and a wait that has seen it or not: whether it was there, once. It is not then.
    [[nodiscard]] bool settle(bool seen) const {
        char byte = 0;
        return (seen || plain_receive(pair_.near.native_handle(), &byte, 1)) && !is_readable();
    }

private:
    [[nodiscard]] bool is_readable() const {
        u_long bytes = 0;
        (void)::ioctlsocket(socket_of(pair_.near.native_handle()), FIONREAD, &bytes);
        return bytes > 0;
    }

    stream_pair pair_;
};

} // namespace test_support

// SPDX-License-Identifier: MIT
// doorbell on POSIX: an event descriptor, and readiness. Waiting does not take the ring away.
#pragma once

#include <aloft/poll.hpp>
#include <aloft/tcp.hpp>

#include <catch2/catch_test_macros.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>

namespace test_support {

class doorbell {
public:
    doorbell() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { REQUIRE(fd_ >= 0); }
    doorbell(const doorbell&) = delete;
    doorbell& operator=(const doorbell&) = delete;
    ~doorbell() { ::close(fd_); }

    void ring() const {
        const std::uint64_t one = 1;
        REQUIRE(::write(fd_, &one, sizeof one) == sizeof one);
    }
    [[nodiscard]] auto wait() const { return aloft::poll(fd_, aloft::poll_events::in); }
    [[nodiscard]] auto wait(std::chrono::hours limit) const {
        return aloft::poll(fd_, aloft::poll_events::in, limit);
    }
    /// After one ring, and a wait that has seen it or not: whether it is there, once. It is not then.
    [[nodiscard]] bool settle(bool) const {
        std::uint64_t count = 0;
        return ::read(fd_, &count, sizeof count) == sizeof count && count == 1;
    }

private:
    int fd_;
};

/// Waits until it can be read.
[[nodiscard]] inline auto until_readable(const aloft::tcp_stream& stream) {
    return aloft::poll(stream.native_handle(), aloft::poll_events::in);
}
[[nodiscard]] inline auto until_readable(const aloft::tcp_stream& stream,
                                         std::chrono::nanoseconds limit) {
    return aloft::poll(stream.native_handle(), aloft::poll_events::in, limit);
}

} // namespace test_support

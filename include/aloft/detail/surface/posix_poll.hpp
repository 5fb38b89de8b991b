// SPDX-License-Identifier: MIT
// poll for POSIX: translates events and describes the operation.
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/io_awaitable.hpp>
#include <aloft/poll_events.hpp>
#include <aloft/timer.hpp>

#include <poll.h>

#include <cstdint>
#include <optional>
#include <string>

namespace aloft::inline ALOFT_ABI::detail {

/// To the kernel's bits and back: POLLIN and so on.
struct poll_bit {
    poll_events event;
    std::uint32_t bit;
};
inline constexpr poll_bit poll_bits[] = {
    {poll_events::in, POLLIN},      {poll_events::out, POLLOUT},      {poll_events::error, POLLERR},
    {poll_events::hangup, POLLHUP}, {poll_events::priority, POLLPRI},
};

class poll_request {
public:
    using value_type = poll_events;

    poll_request(int fd, poll_events events, std::optional<clock_ns> limit = std::nullopt) noexcept
        : fd_(fd), events_(events), limited_(limit.has_value()) {
        limit_.seconds = limit.value_or(0) / 1'000'000'000;
        limit_.nanoseconds = limit.value_or(0) % 1'000'000'000;
    }

    int prepare(operation& op) noexcept {
        op.kind = operation_kind::poll;
        op.fd = fd_;
        for (const poll_bit& each : poll_bits) {
            op.flags |= any(events_ & each.event) ? each.bit : 0;
        }
        op.limit = limited_ ? &limit_ : nullptr;
        return 0;
    }

    [[nodiscard]] poll_events finish(std::int32_t ready) const noexcept {
        poll_events events = poll_events::none;
        for (const poll_bit& each : poll_bits) {
            if ((static_cast<std::uint32_t>(ready) & each.bit) != 0) {
                events |= each.event;
            }
        }
        return events;
    }

    [[nodiscard]] std::string name() const { return "poll descriptor " + std::to_string(fd_); }

private:
    int fd_;
    poll_events events_;
    bool limited_;
    time_limit limit_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// poll: waits until a descriptor of somebody else's library is ready.
// Layer: L4 surface
#pragma once

#if defined(_WIN32)
#error                                                                                             \
    "aloft/poll.hpp: Windows tells of what ended, not of what is ready: read, or offload() a wait"
#endif

#include <aloft/detail/base/lean_chrono.hpp>
#include <aloft/detail/surface/posix_poll.hpp>

namespace aloft::inline ALOFT_ABI {

/// Purpose: `co_await poll(fd, poll_events::in)` resumes with the events that are ready; error and
/// hangup are reported whether asked for or not. For libraries that do their own reading, such as
/// libpq and libcurl. Not on Windows, where no call tells of readiness without blocking a thread.
///
/// Thread safety: any thread; several polls of one descriptor may wait at once.
/// Lifetime: the descriptor must stay open until the poll ends; closing it does not end the poll.
/// Errors: std::system_error, such as bad_file_descriptor.
/// Cancellation: std::errc::operation_canceled when the task is stopped or the runtime ends.
/// Cost: one operation of the ring; no allocation.
[[nodiscard]] inline auto poll(int fd, poll_events events) {
    return detail::io_awaitable(detail::poll_request(fd, events));
}

/// The same for at most `limit`; then std::errc::timed_out. The limit is the kernel's, at the cost
/// of a second entry in the ring.
template <class Rep, class Period>
[[nodiscard]] auto poll(int fd, poll_events events, std::chrono::duration<Rep, Period> limit) {
    return detail::io_awaitable(detail::poll_request(fd, events, detail::to_nanoseconds(limit)));
}

} // namespace aloft::inline ALOFT_ABI

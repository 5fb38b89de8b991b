// SPDX-License-Identifier: MIT
// sleep_for and sleep_until: a task that waits for a point in time and holds no thread meanwhile.
// Layer: L4 surface
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/runtime/entrance.hpp>
#include <aloft/error.hpp>
#include <aloft/runtime.hpp>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <limits>

namespace aloft::inline ALOFT_ABI {
namespace detail {

using long_seconds = std::chrono::duration<long double>;
inline constexpr long_seconds longest_sleep{9.0e9L}; // some 285 years

/// Durations that do not fit into 64 bits of nanoseconds become the longest that do.
template <class Rep, class Period>
[[nodiscard]] constexpr clock_ns to_nanoseconds(std::chrono::duration<Rep, Period> d) noexcept {
    const long_seconds approximate = d;
    if (approximate > longest_sleep) {
        return static_cast<clock_ns>(longest_sleep.count()) * 1'000'000'000;
    }
    if (approximate.count() <= 0) {
        return 0;
    }
    return std::chrono::ceil<std::chrono::nanoseconds>(d).count();
}

[[nodiscard]] inline clock_ns after_now(clock_ns nanoseconds) noexcept {
    const clock_ns now = now_ns();
    return nanoseconds > no_deadline - 1 - now ? no_deadline - 1 : now + nanoseconds;
}

/// Until it is awaited, `deadline` is the time to sleep; movable only so long.
class [[nodiscard]] sleep_awaiter : timer {
public:
    explicit sleep_awaiter(clock_ns nanoseconds) noexcept { deadline = nanoseconds; }
    sleep_awaiter(sleep_awaiter&& other) noexcept : timer() { deadline = other.deadline; }
    ~sleep_awaiter() {
        if (sleeping_) [[unlikely]] {
            require(detail::remove(*this),
                    "a frame was destroyed after its sleep had ended and before it was resumed");
        }
    }

    [[nodiscard]] bool await_ready() const noexcept { return deadline == 0; }

    template <class Promise>
    ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
        require(!begun_, "a sleep was awaited twice");
        const detail::start_place place(environment_of(self));
        begun_ = true;
        deadline = after_now(deadline);
        coroutine = self;
        sleeping_ = true;
        return place.start(*this); // PUBLISHED if true
    }

    void await_resume() {
        sleeping_ = false;
        if (phase == timer_phase::refused) [[unlikely]] {
            throw_error(canceled_error(), "sleep: the runtime is stopping");
        }
    }

private:
    bool begun_ = false;
    bool sleeping_ = false;
};

} // namespace detail

/// Purpose: `co_await sleep_for(200ms);` suspends the task for at least that long, counted from the
/// await; no time, or a negative one, does not suspend.
///
/// Thread safety: any thread; resumes on any worker. Lifetime: none of its own.
/// Errors: std::errc::operation_canceled when the runtime stops.
/// Cost: no allocation, no descriptor, no system call of its own: the timer is a node in the
/// awaiting frame, in its worker's wheel (detail/reactor/timers.hpp).
template <class Rep, class Period>
[[nodiscard]] auto sleep_for(std::chrono::duration<Rep, Period> duration) noexcept {
    return detail::sleep_awaiter(detail::to_nanoseconds(duration));
}

/// The same until a point in time; for clocks other than steady_clock the remaining time is taken
/// when this is called.
template <class Clock, class Duration>
[[nodiscard]] auto sleep_until(std::chrono::time_point<Clock, Duration> deadline) {
    const auto now = Clock::now();
    // In floating point first: the difference of far points does not fit into their duration.
    const detail::long_seconds left = detail::long_seconds(deadline.time_since_epoch()) -
                                      detail::long_seconds(now.time_since_epoch());
    if (left > detail::longest_sleep || deadline <= now) {
        return detail::sleep_awaiter(detail::to_nanoseconds(left));
    }
    return detail::sleep_awaiter(detail::to_nanoseconds(deadline - now));
}

} // namespace aloft::inline ALOFT_ABI

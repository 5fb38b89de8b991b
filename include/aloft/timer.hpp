// SPDX-License-Identifier: MIT
// sleep_for and sleep_until: a task that waits for a point in time and holds no thread meanwhile.
// Layer: L4 surface
#pragma once

#include <aloft/clock.hpp>
#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/frame_allocator.hpp>
#include <aloft/detail/base/lean_chrono.hpp>
#include <aloft/detail/coro/callback_frame.hpp>
#include <aloft/detail/coro/detour.hpp>
#include <aloft/detail/runtime/entrance.hpp>
#include <aloft/error.hpp>
#include <aloft/runtime.hpp>

#include <coroutine>
#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>

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

/// The point in time that is so far from now, by the clock that a task of this environment sees.
[[nodiscard]] inline clock_ns after_now(const environment* env, clock_ns nanoseconds) noexcept {
    const simulated_world* const world = world_of(env);
    const clock_ns now = world == nullptr ? now_ns() : world->now;
    return nanoseconds > no_deadline - 1 - now ? no_deadline - 1 : now + nanoseconds;
}

/// What a sleep needs where the task can be stopped. Apart from the sleeper, so that a million of those
/// that cannot be stopped stay small; recycled as frames are.
//
// It stands between the timer and the coroutine: the timer resumes it, and it leaves the list of the
// stop state, which waits for a request under way, before it hands over.
class sleep_stop : callback_frame, stop_node {
public:
    [[nodiscard]] static sleep_stop* make(timer& sleeper, stop_state& stop, executor& exec) {
        return ::new (allocate_frame(sizeof(sleep_stop))) sleep_stop(sleeper, stop, exec);
    }

    /// False: stop was requested before, and this is gone.
    [[nodiscard]] static bool begin(sleep_stop* self) noexcept {
        timer& sleeper = *self->sleeper_;
        sleeper.stoppable = true;
        sleeper.coroutine = self->handle();
        if (!self->stop_->add(*self)) {
            drop(self);
            return false;
        }
        return true;
    }

    [[nodiscard]] static sleep_stop* of(timer& sleeper) noexcept {
        return static_cast<sleep_stop*>(static_cast<callback_frame*>(sleeper.coroutine.address()));
    }

    /// When the timer is in nobody's hands any more.
    static void end(sleep_stop* self) noexcept {
        self->stop_->remove(*self);
        drop(self);
    }

private:
    sleep_stop(timer& sleeper, stop_state& stop, executor& exec) noexcept
        : callback_frame([](callback_frame* frame) noexcept {
              auto* const self = static_cast<sleep_stop*>(frame);
              timer& ended = *self->sleeper_;
              executor& own = *self->exec_;
              ended.coroutine = self->sleeping_;
              end(self);
              if (takes_detours(&own)) [[unlikely]] {
                  own.post(ended); // PUBLISHED
              } else {
                  resume_next(ended.coroutine);
              }
          }),
          sleeper_(&sleeper),
          stop_(&stop),
          exec_(&exec),
          sleeping_(sleeper.coroutine) {
        run = [](stop_node& node) noexcept {
            auto& self = static_cast<sleep_stop&>(node);
            static_cast<operation_executor*>(self.exec_->pool)
                ->refuse(*self.sleeper_, *self.exec_); // PUBLISHED
        };
    }

    static void drop(sleep_stop* self) noexcept {
        self->~sleep_stop();
        deallocate_frame(self, sizeof(sleep_stop));
    }

    timer* sleeper_;
    stop_state* stop_;
    executor* exec_;
    std::coroutine_handle<> sleeping_;
};

enum class sleep_kind : bool { lasts, ends_at };

/// Until it is awaited, `deadline` is the time to sleep, or the point in time; movable only so long.
class [[nodiscard]] sleep_awaiter : protected timer {
public:
    explicit sleep_awaiter(clock_ns nanoseconds, sleep_kind kind = sleep_kind::lasts) noexcept
        : kind_(kind) {
        deadline = nanoseconds;
    }
    sleep_awaiter(sleep_awaiter&& other) noexcept : timer(), kind_(other.kind_) {
        deadline = other.deadline;
    }
    ~sleep_awaiter() {
        if (sleeping_) [[unlikely]] {
            sleep_stop* const stop = stoppable ? sleep_stop::of(*this) : nullptr;
            require(detail::remove(*this),
                    "a frame was destroyed after its sleep had ended and before it was resumed");
            if (stop != nullptr) {
                sleep_stop::end(stop);
            } else {
                detour::lift(*this);
            }
        }
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
        require(!begun_, "a sleep was awaited twice");
        begun_ = true;
        const environment* const env = environment_of(self);
        stop_state* const stop = stop_of(env);
        if (stop != nullptr && stop->stop_requested()) [[unlikely]] {
            phase = timer_phase::refused;
            return false;
        }
        if (deadline == 0) {
            return false;
        }
        const detail::start_place place(env);
        if (kind_ == sleep_kind::lasts) {
            deadline = after_now(env, deadline);
        }
        coroutine = self;
        if (stop != nullptr) [[unlikely]] {
            return start_stoppable(place, *stop, need_executor(env, "sleep"));
        }
        if (executor* const own = executor_of(env); takes_detours(own)) [[unlikely]] {
            detour::lay(*this, *own);
        }
        sleeping_ = true;
        if (!place.start(*this)) [[unlikely]] {
            detour::lift(*this);
            return false;
        }
        return true; // PUBLISHED
    }

    void await_resume() {
        sleeping_ = false;
        if (phase == timer_phase::refused) [[unlikely]] {
            throw_error(canceled_error(), "sleep");
        }
    }

private:
    [[nodiscard]] bool start_stoppable(const start_place& place, stop_state& stop, executor& exec) {
        sleep_stop* const record = sleep_stop::make(*this, stop, exec);
        if (!sleep_stop::begin(record)) {
            phase = timer_phase::refused;
            return false;
        }
        sleeping_ = true;
        if (place.start(*this)) {
            return true; // PUBLISHED
        }
        sleeping_ = false;
        sleep_stop::end(record);
        return false;
    }

    sleep_kind kind_;
    bool begun_ = false;
    bool sleeping_ = false;
};

/// Whether a time of this clock is one of the clock that deadlines are told by, here.
template <class Clock>
[[nodiscard]] bool is_clock_of_deadlines() noexcept {
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) {
        return world_of(current_environment()) == nullptr;
    } else {
        return std::is_same_v<Clock, clock>;
    }
}

} // namespace detail

/// Purpose: `co_await sleep_for(200ms);` suspends the task for at least that long, counted from the
/// await; no time, or a negative one, does not suspend.
///
/// Thread safety: any thread; resumes on any worker. Lifetime: none of its own.
/// Errors: std::bad_alloc where the task can be stopped and there is no memory; else those below.
/// Cancellation: ends with std::errc::operation_canceled when the task is stopped or the runtime is.
/// Cost: no descriptor, no system call of its own: the timer is a node in the awaiting frame, in its
/// worker's wheel (detail/reactor/timers.hpp). A small recycled record where the task can be stopped.
template <class Rep, class Period>
[[nodiscard]] auto sleep_for(const std::chrono::duration<Rep, Period>& duration) noexcept {
    return detail::sleep_awaiter(detail::to_nanoseconds(duration));
}

/// The same until a point in time; for clocks other than steady_clock and aloft::clock the remaining
/// time is taken when this is called.
template <class Clock, class Duration>
[[nodiscard]] auto sleep_until(const std::chrono::time_point<Clock, Duration>& deadline) {
    const auto now = Clock::now();
    // In floating point first: the difference of far points does not fit into their duration.
    const detail::long_seconds left = detail::long_seconds(deadline.time_since_epoch()) -
                                      detail::long_seconds(now.time_since_epoch());
    if (left > detail::longest_sleep || deadline <= now) {
        return detail::sleep_awaiter(detail::to_nanoseconds(left));
    }
    if (detail::is_clock_of_deadlines<Clock>()) {
        return detail::sleep_awaiter(detail::to_nanoseconds(deadline.time_since_epoch()),
                                     detail::sleep_kind::ends_at);
    }
    return detail::sleep_awaiter(detail::to_nanoseconds(deadline - now));
}

} // namespace aloft::inline ALOFT_ABI

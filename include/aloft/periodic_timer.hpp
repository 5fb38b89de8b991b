// SPDX-License-Identifier: MIT
// periodic_timer: ticks at fixed points in time, however long the work between them takes.
// Layer: L4 surface
//
// 1. Ticks are due at start + n * period. `last_` is the latest of these points that a tick() has
//    delivered; it moves by whole periods only, so delays do not add up.
// 2. One tick() is awaited at a time. Nobody but that one touches the timer meanwhile.
#pragma once

#include <aloft/clock.hpp>
#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/lean_chrono.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/detail/reactor/clock.hpp>
#include <aloft/error.hpp>
#include <aloft/timer.hpp>

#include <coroutine>
#include <cstdint>
#include <system_error>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: C#'s PeriodicTimer. `periodic_timer every(50ms);` begins to count, and
/// `co_await every.tick();` waits for the next multiple of the period since then. It gives the number of
/// periods that have passed since the tick before: 1, or more if nobody was there in time; those make
/// one tick that is ready at once, and missed() counts them. So the sum of what ticks give is the
/// number of periods that have passed, and there is no drift.
///
/// Thread safety: one tick() at a time, on any thread and any worker.
/// Lifetime: must outlive the tick() that is awaited; it stays where it is. A waiting frame may be
/// destroyed.
/// Errors: the constructor throws std::errc::invalid_argument if the period is not positive; awaiting
/// as sleep_for. Two ticks awaited at the same time end the program with a sentence that says so.
/// Cancellation: ends with std::errc::operation_canceled when the task is stopped or the runtime is,
/// also where the tick is due already. The timer may be used again.
/// Cost: as sleep_for; nothing between ticks.
class periodic_timer {
    class tick_awaiter;

public:
    template <class Rep, class Period>
    explicit periodic_timer(const std::chrono::duration<Rep, Period>& period)
        : period_(detail::to_nanoseconds(period)), last_(now()) {
        if (period_ <= 0) {
            detail::throw_error(std::make_error_code(std::errc::invalid_argument),
                                "periodic_timer: the period is not positive");
        }
    }
    periodic_timer(const periodic_timer&) = delete;
    periodic_timer& operator=(const periodic_timer&) = delete;
    ~periodic_timer() {
        detail::require(!waiting_, "a periodic_timer was destroyed while its tick was awaited");
    }

    /// The next tick: gives the number of periods since the one before, at least 1.
    [[nodiscard]] tick_awaiter tick() noexcept;

    /// How many ticks have been part of a later one, because nobody was there in time.
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }

    [[nodiscard]] std::chrono::nanoseconds period() const noexcept {
        return std::chrono::nanoseconds(period_);
    }

private:
    [[nodiscard]] static detail::clock_ns now() noexcept {
        return clock::now().time_since_epoch().count();
    }

    [[nodiscard]] detail::clock_ns due() const noexcept {
        return period_ > detail::no_deadline - 1 - last_ ? detail::no_deadline - 1
                                                         : last_ + period_;
    }

    /// A tick is delivered.
    [[nodiscard]] std::uint64_t take() noexcept {
        const detail::clock_ns passed = (now() - last_) / period_;
        last_ += passed * period_;
        const auto ticks = static_cast<std::uint64_t>(passed);
        missed_ += ticks - 1;
        return ticks;
    }

    const detail::clock_ns period_;
    detail::clock_ns last_;
    std::uint64_t missed_ = 0;
    bool waiting_ = false;
};

class [[nodiscard]] periodic_timer::tick_awaiter : detail::sleep_awaiter {
public:
    explicit tick_awaiter(periodic_timer& of) noexcept
        : sleep_awaiter(0, detail::sleep_kind::ends_at), timer_(&of) {}
    tick_awaiter(tick_awaiter&& other) noexcept
        : sleep_awaiter(std::move(other)), timer_(other.timer_) {}
    ~tick_awaiter() { end(); }

    using sleep_awaiter::await_ready;

    template <class Promise>
    ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
        detail::require(!timer_->waiting_, "two ticks of a periodic_timer were awaited at once");
        const detail::clock_ns now = periodic_timer::now();
        const detail::clock_ns due = timer_->due();
        if (now >= due) {
            const detail::stop_state* const stop = detail::stop_above(detail::environment_of(self));
            if (stop != nullptr && stop->stop_requested()) [[unlikely]] {
                phase = detail::timer_phase::refused;
            }
            return false;
        }
        deadline = due;
        timer_->waiting_ = waits_ = true;
        return sleep_awaiter::await_suspend(self); // PUBLISHED if true
    }

    std::uint64_t await_resume() {
        end();
        sleep_awaiter::await_resume();
        return timer_->take();
    }

private:
    void end() noexcept {
        if (std::exchange(waits_, false)) {
            timer_->waiting_ = false;
        }
    }

    periodic_timer* timer_;
    bool waits_ = false;
};

inline periodic_timer::tick_awaiter periodic_timer::tick() noexcept {
    return tick_awaiter(*this);
}

} // namespace aloft::inline ALOFT_ABI

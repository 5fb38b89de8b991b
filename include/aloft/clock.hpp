// SPDX-License-Identifier: MIT
// clock: the time that tasks see, which is that of the machine, or of a simulated world.
// Layer: L4 surface
#pragma once

#include <aloft/detail/base/lean_chrono.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/reactor/clock.hpp>

#include <cstdint>

namespace aloft::inline ALOFT_ABI {

/// Purpose: a steady clock for programs that may be simulated: `clock::now()` is
/// std::chrono::steady_clock's time, and in a task that is simulated that of its world.
/// `sleep_until(clock::now() + 50ms)`
///
/// Thread safety: any thread. Lifetime, errors, cancellation: none of its own.
/// Cost: that of steady_clock. Unit: nanoseconds.
struct clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<clock>;
    static constexpr bool is_steady = true;

    [[nodiscard]] static time_point now() noexcept {
        const detail::simulated_world* const world =
            detail::world_of(detail::current_environment());
        return time_point(duration(world == nullptr ? detail::now_ns() : world->now));
    }
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// How a thread waits for another one that will be done within nanoseconds, unless it was preempted.
// Layer: L0 base
//
// The waiter gives its processor away, first to whoever is ready, then by sleeping for longer and
// longer: the other one may have the lower priority, so yielding alone might never let it run. A
// waiter sleeps about as long as it has waited already, and a millisecond at most: it learns of the
// change at most twice as late as it could have, and nobody has to wake it.
#pragma once

#include <aloft/detail/base/atomic.hpp>

#ifndef ALOFT_MODEL // there, the model's header says how to wait

#if defined(_WIN32)
extern "C" __declspec(dllimport) int __stdcall SwitchToThread();
extern "C" __declspec(dllimport) void __stdcall Sleep(unsigned long milliseconds);
#else
#include <sched.h>
#include <time.h>
#endif

namespace aloft::inline ALOFT_ABI::detail {

/// To be called again and again, `round` counting from 0, as long as `variable` is `value`.
template <class T>
ALOFT_NOINLINE void back_off(const atomic<T>& /*variable*/, T /*value*/, unsigned round) noexcept {
    constexpr unsigned yields = 4;
    if (round < yields) {
#if defined(_WIN32)
        ::SwitchToThread();
#else
        ::sched_yield();
#endif
        return;
    }
#if defined(_WIN32)
    ::Sleep(1);
#else
    constexpr long shortest = 30'000; // nanoseconds; what a system adds to it is about twice that
    constexpr long longest = 1'000'000;
    const unsigned doublings = round - yields;
    const long wanted = doublings < 5 ? shortest << doublings : longest;
    const timespec span{0, wanted < longest ? wanted : longest};
    (void)::nanosleep(&span, nullptr);
#endif
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

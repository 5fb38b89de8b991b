// SPDX-License-Identifier: MIT
// How a thread waits for another one that would be done by now if it had not been preempted.
// Layer: L0 base
//
// The waiter sleeps, for longer and longer: the other one may have the lower priority, so yielding
// might never let it run. A waiter sleeps about as long as it has waited already, and a millisecond at
// most: it learns of the change at most twice as late as it could have, and nobody has to wake it.
#pragma once

#include <aloft/detail/base/atomic.hpp>

#ifndef ALOFT_MODEL // there, the model's header says how to wait

#if defined(_WIN32)
extern "C" __declspec(dllimport) void __stdcall Sleep(unsigned long milliseconds);
#else
#include <time.h> // POSIX's, with nanosleep
#endif

namespace aloft::inline ALOFT_ABI::detail {

/// To be called again and again, `round` counting from 0, as long as `variable` is `value`.
template <class T>
ALOFT_NOINLINE void back_off(const atomic<T>& /*variable*/, T /*value*/, unsigned round) noexcept {
#if defined(_WIN32)
    ::Sleep(round == 0 ? 0 : 1); // gives the processor to who is ready; a millisecond
#else
    constexpr long shortest = 20'000; // nanoseconds; the system adds some fifty thousand
    constexpr long longest = 1'000'000;
    const timespec span{0, round < 6 ? shortest << round : longest};
    (void)::nanosleep(&span, nullptr);
#endif
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

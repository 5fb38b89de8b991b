// SPDX-License-Identifier: MIT
// Waits on a plain thread until a state is reached; the hang guard ends it if it never is.
//
// Nothing here calls sched_yield: on a busy machine that gives a whole time slice away, and a test
// that hands over some thousand times would take minutes.
#pragma once

#include <support/hang_guard.hpp>

#include <aloft/detail/base/atomic.hpp>

#include <chrono>
#include <thread>

namespace test_support {

template <class Condition>
void wait_until(Condition&& reached,
                std::chrono::microseconds between = std::chrono::microseconds(100)) {
    for (int round = 0; !reached(); ++round) {
        if (round < 1000) {
            aloft::detail::spin_pause();
        } else {
            std::this_thread::sleep_for(between);
        }
    }
}

/// For two threads that hand over to each other again and again.
template <class Condition>
void wait_closely(Condition&& reached) {
    wait_until(reached, std::chrono::microseconds(10));
}

} // namespace test_support

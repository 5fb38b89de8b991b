// SPDX-License-Identifier: MIT
// Waits on a plain thread until a state is reached; the hang guard ends it if it never is.
#pragma once

#include <support/hang_guard.hpp>

#include <chrono>
#include <thread>

namespace test_support {

template <class Condition>
void wait_until(Condition&& reached) {
    for (int round = 0; !reached(); ++round) {
        if (round < 100) {
            std::this_thread::yield();
        } else {
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
    }
}

} // namespace test_support

// SPDX-License-Identifier: MIT
// What the two translation units, compiled with different optimisation, offer each other.
#pragma once

#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

namespace mixed {

/// The same coroutine in both units: the linker keeps one of the two.
inline aloft::task<long> shared_leaf(long value) {
    co_return value;
}

template <class Next>
aloft::task<long> shared_link(int depth, Next next) {
    if (depth == 0) {
        co_return 0;
    }
    co_return 1 + co_await next(depth - 1);
}

namespace first {
aloft::task<long> leaf(long value);
aloft::task<long> zigzag(int depth); // awaits second::zigzag
aloft::task<long> chain(int depth);  // stays in its unit
aloft::task<long> forks(int depth);  // forks into both
} // namespace first

namespace second {
aloft::task<long> leaf(long value);
aloft::task<long> zigzag(int depth);
aloft::task<long> chain(int depth);
aloft::task<long> forks(int depth);

/// Loops of awaits in the second unit, of tasks of the first.
aloft::task<long> loop_over_first(long rounds);
long wait_for_loop(long rounds);
} // namespace second

} // namespace mixed

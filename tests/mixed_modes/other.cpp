// SPDX-License-Identifier: MIT
// The second of two translation units with different optimisation; see main.cpp.
#include "common.hpp"

#include <tuple>

namespace mixed::second {

aloft::task<long> leaf(long value) {
    co_return value;
}

aloft::task<long> zigzag(int depth) {
    if (depth == 0) {
        co_return 0;
    }
    co_return 1 + co_await first::zigzag(depth - 1);
}

aloft::task<long> chain(int depth) {
    if (depth == 0) {
        co_return 0;
    }
    co_return 1 + co_await chain(depth - 1);
}

aloft::task<long> forks(int depth) {
    if (depth == 0) {
        co_await aloft::yield();
        co_return co_await shared_leaf(1);
    }
    auto [a, b] = co_await aloft::when_all(first::forks(depth - 1), second::forks(depth - 1));
    co_return a + b;
}

aloft::task<long> loop_over_first(long rounds) {
    long sum = 0;
    for (long i = 0; i < rounds; ++i) {
        sum += co_await first::leaf(1);
        sum += co_await shared_leaf(1);
    }
    co_return sum;
}

long wait_for_loop(long rounds) {
    return aloft::sync_wait(loop_over_first(rounds));
}

} // namespace mixed::second

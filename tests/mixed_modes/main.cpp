// SPDX-License-Identifier: MIT
// Two translation units, one without and one with optimisation, in one program: where GCC makes no
// tail call the library takes another way, and both ways must go together, in both directions.
#include "common.hpp"

#include <catch2/catch_test_macros.hpp>

#include <tuple>

using aloft::sync_wait;
using aloft::task;

namespace mixed::first {

task<long> leaf(long value) {
    co_return value;
}

task<long> zigzag(int depth) {
    if (depth == 0) {
        co_return 0;
    }
    co_return 1 + co_await second::zigzag(depth - 1);
}

task<long> chain(int depth) {
    if (depth == 0) {
        co_return 0;
    }
    co_return 1 + co_await chain(depth - 1);
}

task<long> forks(int depth) {
    if (depth == 0) {
        co_await aloft::yield();
        co_return co_await shared_leaf(1);
    }
    auto [a, b] = co_await aloft::when_all(first::forks(depth - 1), second::forks(depth - 1));
    co_return a + b;
}

} // namespace mixed::first

namespace {

struct back_and_forth {
    static task<long> link(int depth) {
        // The template's instances are compiled in both units with the same name.
        return depth % 2 == 0 ? mixed::shared_link(depth, mixed::second::chain)
                              : mixed::shared_link(depth, mixed::first::chain);
    }
};

} // namespace

TEST_CASE("a million awaits of the other unit's tasks, from the first") {
    auto loop = []() -> task<long> {
        long sum = 0;
        for (int i = 0; i < 1'000'000; ++i) {
            sum += co_await mixed::second::leaf(1);
            sum += co_await mixed::shared_leaf(1);
        }
        co_return sum;
    };
    CHECK(sync_wait(loop()) == 2'000'000);
}

TEST_CASE("a million awaits of the other unit's tasks, from the second") {
    CHECK(sync_wait(mixed::second::loop_over_first(1'000'000)) == 2'000'000);
    CHECK(mixed::second::wait_for_loop(1'000'000) == 2'000'000);
}

TEST_CASE("tasks of both units nested in turns, a hundred thousand deep, from both ends") {
    CHECK(sync_wait(mixed::first::zigzag(100'000)) == 100'000);
    CHECK(sync_wait(mixed::first::zigzag(100'001)) == 100'001);
    CHECK(sync_wait(mixed::second::zigzag(100'000)) == 100'000);
    CHECK(sync_wait(mixed::second::zigzag(100'001)) == 100'001);
}

TEST_CASE("a chain in one unit that is awaited by the other") {
    auto each = []() -> task<long> {
        const long a = co_await mixed::first::chain(100'000);
        const long b = co_await mixed::second::chain(100'000);
        const long c = co_await back_and_forth::link(100'000);
        const long d = co_await back_and_forth::link(100'001);
        co_return a + b + c + d;
    };
    CHECK(sync_wait(each()) == 400'001);
}

TEST_CASE("forks into both units on several workers") {
    aloft::runtime rt(aloft::runtime_options{}.threads(4));
    CHECK(sync_wait(rt, mixed::first::forks(12)) == 4096);
    CHECK(sync_wait(rt, mixed::second::forks(12)) == 4096);
}

TEST_CASE("handles of one unit's tasks are joined in the other") {
    auto joins = []() -> task<long> {
        long sum = 0;
        for (int i = 0; i < 10'000; ++i) {
            sum += co_await aloft::spawn(mixed::second::leaf(1));
            auto handle = aloft::spawn(mixed::second::loop_over_first(1));
            sum += co_await handle;
        }
        co_return sum;
    };
    CHECK(sync_wait(joins()) == 30'000);
}

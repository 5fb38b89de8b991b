// SPDX-License-Identifier: MIT
// What it costs to run things in parallel and to wait for all of them.
#include "suites.hpp"
#include "support/comparison.hpp"
#include "support/pool.hpp"

#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <future>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace bench {
namespace {

// ---- two, and a hundred, children ------------------------------------------------------------

constexpr int many = 100;
constexpr int sum_below_many = many * (many - 1) / 2;

[[gnu::noinline]] aloft::task<int> give(int value) {
    co_return value;
}

aloft::task<> pairs_of_tasks(benchmark::State& state) {
    bool right = true;
    for (auto _ : state) {
        const auto [first, second] = co_await aloft::when_all(give(1), give(2));
        right = first == 1 && second == 2 && right;
    }
    verify(state, right, "when_all gave a wrong value");
    report_items(state, state.iterations() * 2);
}

void when_all_two(benchmark::State& state) {
    aloft::sync_wait(pool(), pairs_of_tasks(state));
}

void async_two(benchmark::State& state) {
    bool right = true;
    for (auto _ : state) {
        std::future<int> first = std::async(std::launch::async, [] { return 1; });
        std::future<int> second = std::async(std::launch::async, [] { return 2; });
        right = first.get() == 1 && second.get() == 2 && right;
    }
    verify(state, right, "std::async gave a wrong value");
    report_items(state, state.iterations() * 2);
}

aloft::task<> many_tasks(benchmark::State& state) {
    bool right = true;
    for (auto _ : state) {
        std::vector<aloft::task<int>> children;
        children.reserve(many);
        for (int i = 0; i < many; ++i) {
            children.push_back(give(i));
        }
        const std::vector<int> values = co_await aloft::when_all(std::move(children));
        right = std::accumulate(values.begin(), values.end(), 0) == sum_below_many && right;
    }
    verify(state, right, "when_all gave a wrong value");
    report_items(state, state.iterations() * many);
}

void when_all_many(benchmark::State& state) {
    aloft::sync_wait(pool(), many_tasks(state));
}

void async_many(benchmark::State& state) {
    bool right = true;
    for (auto _ : state) {
        std::vector<std::future<int>> children;
        children.reserve(many);
        for (int i = 0; i < many; ++i) {
            children.push_back(std::async(std::launch::async, [i] { return i; }));
        }
        int sum = 0;
        for (std::future<int>& child : children) {
            sum += child.get();
        }
        right = sum == sum_below_many && right;
    }
    verify(state, right, "std::async gave a wrong value");
    report_items(state, state.iterations() * many);
}

// ---- fork and join: Fibonacci numbers the slow way -------------------------------------------

[[gnu::noinline]] int fibonacci(int n) {
    if (n < 2) {
        return n;
    }
    int first = fibonacci(n - 1);
    benchmark::DoNotOptimize(first);
    return first + fibonacci(n - 2);
}

/// How many calls split in two on the way to fibonacci(n).
[[nodiscard]] std::int64_t forks_of(int n) {
    return fibonacci(n + 1) - 1;
}

[[gnu::noinline]] aloft::task<int> fork_everywhere(int n) {
    if (n < 2) {
        co_return n;
    }
    const auto [first, second] =
        co_await aloft::when_all(fork_everywhere(n - 1), fork_everywhere(n - 2));
    co_return first + second;
}

int async_everywhere(int n) {
    if (n < 2) {
        return n;
    }
    std::future<int> first = std::async(std::launch::async, &async_everywhere, n - 1);
    const int second = async_everywhere(n - 2);
    return first.get() + second;
}

aloft::task<int> fork_to_depth(int n, int depth) {
    if (depth == 0) {
        co_return fibonacci(n);
    }
    const auto [first, second] =
        co_await aloft::when_all(fork_to_depth(n - 1, depth - 1), fork_to_depth(n - 2, depth - 1));
    co_return first + second;
}

int async_to_depth(int n, int depth) {
    if (depth == 0) {
        return fibonacci(n);
    }
    std::future<int> first = std::async(std::launch::async, &async_to_depth, n - 1, depth - 1);
    const int second = async_to_depth(n - 2, depth - 1);
    return first.get() + second;
}

// The loop is in a task, so that sync_wait is no part of the figure.
template <class MakeTask>
aloft::task<> compute_with_tasks(benchmark::State& state, int n, std::int64_t items,
                                 MakeTask make_task) {
    const int expected = fibonacci(n);
    bool right = true;
    for (auto _ : state) {
        right = co_await make_task(n) == expected && right;
    }
    verify(state, right, "a wrong Fibonacci number");
    report_items(state, state.iterations() * items);
}

template <class Compute>
void compute(benchmark::State& state, int n, std::int64_t items, Compute function) {
    const int expected = fibonacci(n);
    bool right = true;
    for (auto _ : state) {
        right = function(n) == expected && right;
    }
    verify(state, right, "a wrong Fibonacci number");
    report_items(state, state.iterations() * items);
}

void add_fork_join(int n) {
    // A thread per fork is out of the question for larger numbers.
    constexpr int small = 12;
    comparison("fork_join/" + std::to_string(n),
               "fork and join, Fibonacci of " + std::to_string(n) + ", per fork")
        .with_aloft([n](benchmark::State& state) {
            aloft::sync_wait(pool(), compute_with_tasks(state, n, forks_of(n), &fork_everywhere));
        })
        .against("function", "two function calls on one thread",
                 [n](benchmark::State& state) { compute(state, n, forks_of(n), &fibonacci); })
        .against("std_async", "`std::async(launch::async)`, Fibonacci of " + std::to_string(small),
                 [](benchmark::State& state) {
                     compute(state, small, forks_of(small), &async_everywhere);
                 });
}

void add_coarse_fork_join(int n, int depth) {
    comparison("fork_join_coarse/" + std::to_string(n),
               "Fibonacci of " + std::to_string(n) + ", forked in " + std::to_string(1 << depth) +
                   " parts, altogether")
        .with_aloft([n, depth](benchmark::State& state) {
            aloft::sync_wait(pool(), compute_with_tasks(state, n, 1, [depth](int number) {
                                 return fork_to_depth(number, depth);
                             }));
        })
        .against("std_async", "`std::async(launch::async)`, the same parts",
                 [n, depth](benchmark::State& state) {
                     compute(state, n, 1,
                             [depth](int number) { return async_to_depth(number, depth); });
                 })
        .against("function", "one thread",
                 [n](benchmark::State& state) { compute(state, n, 1, &fibonacci); });
}

} // namespace

void add_when_all_suite() {
    comparison("when_all/2", "`when_all` of 2, each")
        .with_aloft(&when_all_two)
        .against("std_async", "`std::async(launch::async)`", &async_two);
    comparison("when_all/100", "`when_all` of 100, each")
        .with_aloft(&when_all_many)
        .against("std_async", "`std::async(launch::async)`", &async_many);
    add_fork_join(20);
    add_fork_join(25);
    add_coarse_fork_join(30, 4);
}

} // namespace bench

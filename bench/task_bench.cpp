// SPDX-License-Identifier: MIT
// What awaiting a task costs beside calling a function.
#include "suites.hpp"
#include "support/comparison.hpp"
#include "support/pool.hpp"

#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>

#include <benchmark/benchmark.h>

#include <functional>

namespace bench {
namespace {

// ---- a task that is ready when it is awaited -------------------------------------------------

[[gnu::noinline]] aloft::task<int> next_task(int n) {
    co_return n + 1;
}
[[gnu::noinline]] int next_function(int n) {
    benchmark::DoNotOptimize(n);
    return n + 1;
}

aloft::task<> await_repeatedly(benchmark::State& state) {
    int sum = 0;
    for (auto _ : state) {
        sum += co_await next_task(0);
        benchmark::DoNotOptimize(sum);
    }
    verify(state, sum == static_cast<int>(state.iterations()), "a task gave a wrong value");
    report_items(state, state.iterations());
}

void await_ready_task(benchmark::State& state) {
    aloft::sync_wait(pool(), await_repeatedly(state));
}

void call_function(benchmark::State& state) {
    int sum = 0;
    for (auto _ : state) {
        sum += next_function(0);
        benchmark::DoNotOptimize(sum);
    }
    verify(state, sum == static_cast<int>(state.iterations()), "a function gave a wrong value");
    report_items(state, state.iterations());
}

void call_std_function(benchmark::State& state) {
    std::function<int(int)> next = &next_function;
    benchmark::DoNotOptimize(next);
    int sum = 0;
    for (auto _ : state) {
        sum += next(0);
        benchmark::DoNotOptimize(sum);
    }
    verify(state, sum == static_cast<int>(state.iterations()), "a function gave a wrong value");
    report_items(state, state.iterations());
}

// ---- tasks that await one another ------------------------------------------------------------

constexpr int chain_length = 1000;

[[gnu::noinline]] aloft::task<int> task_chain(int length) {
    if (length == 1) {
        co_return 1;
    }
    co_return 1 + co_await task_chain(length - 1);
}

[[gnu::noinline]] int function_chain(int length) {
    if (length == 1) {
        return 1;
    }
    int rest = function_chain(length - 1);
    benchmark::DoNotOptimize(rest); // or the compiler makes a loop of it
    return 1 + rest;
}

aloft::task<> await_chains(benchmark::State& state) {
    bool right = true;
    for (auto _ : state) {
        right = co_await task_chain(chain_length) == chain_length && right;
    }
    verify(state, right, "a chain has a wrong length");
    report_items(state, state.iterations() * chain_length);
}

void await_task_chain(benchmark::State& state) {
    aloft::sync_wait(pool(), await_chains(state));
}

void call_function_chain(benchmark::State& state) {
    bool right = true;
    for (auto _ : state) {
        right = function_chain(chain_length) == chain_length && right;
    }
    verify(state, right, "a chain has a wrong length");
    report_items(state, state.iterations() * chain_length);
}

} // namespace

void add_task_suite() {
    comparison("await", "await a task that does not suspend")
        .with_aloft(&await_ready_task)
        .against("function", "function call", &call_function)
        .against("std_function", "`std::function` call", &call_std_function);
    comparison("await_chain", "await in a chain of 1,000 nested tasks, per task")
        .with_aloft(&await_task_chain)
        .against("function", "nested function calls", &call_function_chain);
}

} // namespace bench

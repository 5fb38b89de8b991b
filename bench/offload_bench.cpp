// SPDX-License-Identifier: MIT
// What it costs to have a blocking call made by another thread and to wait for its result.
#include "suites.hpp"
#include "support/comparison.hpp"
#include "support/pool.hpp"
#include "support/queue_pool.hpp"

#include <aloft/offload.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>

#include <benchmark/benchmark.h>

#include <future>

namespace bench {
namespace {

void report(benchmark::State& state, bool right) {
    verify(state, right, "a call gave a wrong result");
    report_items(state, state.iterations());
}

[[gnu::noinline]] int blocking_call() {
    int result = 1;
    benchmark::DoNotOptimize(result);
    return result;
}

aloft::task<> offload_repeatedly(benchmark::State& state) {
    bool right = true;
    for (auto _ : state) {
        right = co_await aloft::offload(&blocking_call) == 1 && right;
    }
    report(state, right);
}

void with_offload(benchmark::State& state) {
    aloft::sync_wait(pool(), offload_repeatedly(state));
}

void with_async(benchmark::State& state) {
    bool right = true;
    for (auto _ : state) {
        right = std::async(std::launch::async, &blocking_call).get() == 1 && right;
    }
    report(state, right);
}

void with_queue_pool(benchmark::State& state) {
    queue_pool threads(1);
    bool right = true;
    for (auto _ : state) {
        right = threads.submit(&blocking_call).get() == 1 && right;
    }
    report(state, right);
}

} // namespace

void add_offload_suite() {
    comparison("offload", "`offload` a call and await its result")
        .with_aloft(&with_offload)
        .against("std_async", "`std::async(launch::async)`", &with_async)
        .against("queue_pool", "mutex and queue pool", &with_queue_pool);
}

} // namespace bench

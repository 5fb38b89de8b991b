// SPDX-License-Identifier: MIT
// What it costs to start work on another thread and to join it, in batches.
#include "suites.hpp"
#include "support/comparison.hpp"
#include "support/pool.hpp"
#include "support/queue_pool.hpp"

#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {
namespace {

// Item i gives i; the sum shows that each ran once.
[[nodiscard]] std::int64_t sum_below(int count) {
    return static_cast<std::int64_t>(count) * (count - 1) / 2;
}

void report(benchmark::State& state, int batch, bool right) {
    verify(state, right, "an item of a batch was lost or ran twice");
    report_items(state, state.iterations() * batch);
}

// ---- aloft -----------------------------------------------------------------------------------

aloft::task<std::int64_t> join_all(std::vector<aloft::join_handle<int>>& handles) {
    std::int64_t sum = 0;
    for (aloft::join_handle<int>& handle : handles) {
        sum += co_await handle;
    }
    co_return sum;
}

aloft::task<> spawn_batches(benchmark::State& state, int batch) {
    bool right = true;
    std::vector<aloft::join_handle<int>> handles;
    handles.reserve(static_cast<std::size_t>(batch));
    for (auto _ : state) {
        for (int i = 0; i < batch; ++i) {
            handles.push_back(aloft::spawn([i] { return i; }));
        }
        right = co_await join_all(handles) == sum_below(batch) && right;
        handles.clear();
    }
    report(state, batch, right);
}

void spawn_inside(benchmark::State& state, int batch) {
    aloft::sync_wait(pool(), spawn_batches(state, batch));
}

void spawn_outside(benchmark::State& state, int batch) {
    bool right = true;
    std::vector<aloft::join_handle<int>> handles;
    handles.reserve(static_cast<std::size_t>(batch));
    for (auto _ : state) {
        for (int i = 0; i < batch; ++i) {
            handles.push_back(aloft::spawn(pool(), [i] { return i; }));
        }
        right = aloft::sync_wait(pool(), join_all(handles)) == sum_below(batch) && right;
        handles.clear();
    }
    report(state, batch, right);
}

// ---- the alternatives ------------------------------------------------------------------------

std::int64_t get_all(std::vector<std::future<int>>& futures) {
    std::int64_t sum = 0;
    for (std::future<int>& each : futures) {
        sum += each.get();
    }
    futures.clear();
    return sum;
}

void async_batches(benchmark::State& state, int batch) {
    bool right = true;
    std::vector<std::future<int>> futures;
    futures.reserve(static_cast<std::size_t>(batch));
    for (auto _ : state) {
        for (int i = 0; i < batch; ++i) {
            futures.push_back(std::async(std::launch::async, [i] { return i; }));
        }
        right = get_all(futures) == sum_below(batch) && right;
    }
    report(state, batch, right);
}

void thread_batches(benchmark::State& state, int batch) {
    bool right = true;
    std::vector<int> values(static_cast<std::size_t>(batch));
    std::vector<std::thread> threads;
    threads.reserve(values.size());
    for (auto _ : state) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            threads.emplace_back([&values, i] { values[i] = static_cast<int>(i); });
        }
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            threads[i].join();
            sum += std::exchange(values[i], 0);
        }
        threads.clear();
        right = sum == sum_below(batch) && right;
    }
    report(state, batch, right);
}

void queue_batches(benchmark::State& state, int batch) {
    queue_pool threads(pool().threads());
    bool right = true;
    std::vector<std::future<int>> futures;
    futures.reserve(static_cast<std::size_t>(batch));
    for (auto _ : state) {
        for (int i = 0; i < batch; ++i) {
            futures.push_back(threads.submit([i] { return i; }));
        }
        right = get_all(futures) == sum_below(batch) && right;
    }
    report(state, batch, right);
}

using batch_function = void(benchmark::State&, int);

[[nodiscard]] body with_batch(batch_function* run, int batch) {
    return [run, batch](benchmark::State& state) { run(state, batch); };
}

// std::async and std::thread only for the small batch: a thread that has ended keeps its stack
// mapped until it is joined, and the kernel does not allow 100,000 of them.
void add(const std::string& name, const std::string& work, batch_function* aloft_function,
         int batch, bool small) {
    comparison rows(name, work);
    rows.with_aloft(with_batch(aloft_function, batch))
        .against("queue_pool", "mutex and queue pool", with_batch(&queue_batches, batch));
    if (small) {
        rows.against("std_async", "`std::async(launch::async)`", with_batch(&async_batches, batch))
            .against("std_thread", "`std::thread`", with_batch(&thread_batches, batch));
    }
}

} // namespace

void add_spawn_suite() {
    add("spawn/1000", "spawn and join 1,000 on the pool, each", &spawn_inside, 1'000, true);
    add("spawn/100000", "spawn and join 100,000 on the pool, each", &spawn_inside, 100'000, false);
    add("spawn_from_thread/1000", "spawn and join 1,000 from a plain thread, each", &spawn_outside,
        1'000, true);
    add("spawn_from_thread/100000", "spawn and join 100,000 from a plain thread, each",
        &spawn_outside, 100'000, false);
}

} // namespace bench

// SPDX-License-Identifier: MIT
// What it costs to let somebody else go first.
#include "suites.hpp"
#include "support/comparison.hpp"
#include "support/pool.hpp"

#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t many = 100;

// ---- aloft -----------------------------------------------------------------------------------

aloft::task<> yield_alone(benchmark::State& state) {
    for (auto _ : state) {
        co_await aloft::yield();
    }
    report_items(state, state.iterations());
}

void one_task(benchmark::State& state) {
    aloft::sync_wait(pool(), yield_alone(state));
}

aloft::task<int> yield_times(int times) {
    int done = 0;
    for (; done < times; ++done) {
        co_await aloft::yield();
    }
    co_return done;
}

aloft::task<> yield_together(benchmark::State& state) {
    constexpr int times = 100;
    bool right = true;
    for (auto _ : state) {
        std::vector<aloft::task<int>> tasks;
        tasks.reserve(many);
        for (std::size_t i = 0; i < many; ++i) {
            tasks.push_back(yield_times(times));
        }
        for (const int done : co_await aloft::when_all(std::move(tasks))) {
            right = done == times && right;
        }
    }
    verify(state, right, "a task was not resumed as often as it yielded");
    report_items(state, state.iterations() * static_cast<std::int64_t>(many) * times);
}

void many_tasks(benchmark::State& state) {
    aloft::sync_wait(pool(), yield_together(state));
}

// ---- threads that yield ----------------------------------------------------------------------

/// This thread and `others` more call std::this_thread::yield; all calls count.
void yielding_threads(benchmark::State& state, std::size_t others) {
    struct alignas(64) counter {
        std::atomic<std::int64_t> value{0};
    };
    std::vector<counter> counters(others);
    std::atomic<bool> ended{false};
    std::vector<std::thread> threads;
    for (counter& mine : counters) {
        threads.emplace_back([&mine, &ended] {
            while (!ended.load(std::memory_order_relaxed)) {
                std::this_thread::yield();
                mine.value.fetch_add(1, std::memory_order_relaxed);
            }
        });
    }
    const auto sum = [&counters] {
        std::int64_t total = 0;
        for (const counter& each : counters) {
            total += each.value.load(std::memory_order_relaxed);
        }
        return total;
    };
    const std::int64_t before = sum();
    for (auto _ : state) {
        std::this_thread::yield();
    }
    const std::int64_t of_others = sum() - before;
    ended = true;
    for (std::thread& each : threads) {
        each.join();
    }
    report_items(state, state.iterations() + of_others);
}

// ---- threads that hand a turn on -------------------------------------------------------------

/// Waits by std::this_thread::yield.
class yielding_turn {
public:
    void give() noexcept { mine_.store(true, std::memory_order_release); }
    void take() noexcept {
        while (!mine_.load(std::memory_order_acquire)) {
            std::this_thread::yield();
        }
        mine_.store(false, std::memory_order_relaxed);
    }

private:
    std::atomic<bool> mine_{false};
};

/// Waits on a condition variable.
class waiting_turn {
public:
    void give() {
        {
            const std::scoped_lock lock(mutex_);
            mine_ = true;
        }
        changed_.notify_one();
    }
    void take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return mine_; });
        mine_ = false;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool mine_ = false;
};

/// `count` threads in a ring, of which the calling one is the first; an iteration is one lap.
template <class Turn>
void hand_round(benchmark::State& state, std::size_t count) {
    std::vector<Turn> turns(count);
    std::atomic<bool> ended{false};
    std::vector<std::int64_t> taken(count);
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < count; ++i) {
        threads.emplace_back([&, i] {
            for (;;) {
                turns[i].take();
                const bool last = ended.load();
                turns[(i + 1) % count].give();
                if (last) {
                    return;
                }
                ++taken[i];
            }
        });
    }
    for (auto _ : state) {
        turns[1].give();
        turns[0].take();
        ++taken[0];
    }
    ended = true;
    turns[1].give();
    turns[0].take();
    for (std::thread& each : threads) {
        each.join();
    }
    bool right = true;
    for (const std::int64_t each : taken) {
        right = each == state.iterations() && right;
    }
    verify(state, right, "a thread lost its turn");
    report_items(state, state.iterations() * static_cast<std::int64_t>(count));
}

} // namespace

void add_yield_suite() {
    comparison("yield/1", "yield, 1 task")
        .with_aloft(&one_task)
        .against("thread_yield", "`std::this_thread::yield`, 1 thread",
                 [](benchmark::State& state) { yielding_threads(state, 0); })
        .against("yield_ping_pong", "2 threads take turns by `std::this_thread::yield`",
                 [](benchmark::State& state) { hand_round<yielding_turn>(state, 2); })
        .against("condition_variable", "2 threads take turns by condition variable",
                 [](benchmark::State& state) { hand_round<waiting_turn>(state, 2); });
    comparison("yield/100", "yield, 100 tasks, each")
        .with_aloft(&many_tasks)
        .against("thread_yield", "`std::this_thread::yield`, 100 threads",
                 [](benchmark::State& state) { yielding_threads(state, many - 1); })
        .against("condition_variable", "100 threads take turns by condition variable",
                 [](benchmark::State& state) { hand_round<waiting_turn>(state, many); });
}

} // namespace bench

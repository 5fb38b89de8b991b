// SPDX-License-Identifier: MIT
// What a timer costs, from its creation to its expiry. The time that passes is mostly the sleep
// itself, so processor time is what counts; mean_lateness says how punctual it was.
#include "suites.hpp"
#include "support/comparison.hpp"
#include "support/pool.hpp"
#include "support/processor_time.hpp"

#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {
namespace {

using clock = std::chrono::steady_clock;

/// How many timers, and up to how long. Long enough that most are pending when the last is created.
struct timer_set {
    std::size_t count;
    std::chrono::milliseconds longest;

    /// In no order.
    [[nodiscard]] std::chrono::microseconds duration_of(std::size_t index) const {
        const auto most = static_cast<std::size_t>(std::chrono::microseconds(longest).count());
        return std::chrono::microseconds(index * 7919 % (most + 1));
    }
};

/// What happened to the timers of one benchmark. Any thread may record.
class expiry_log {
public:
    void record(clock::time_point deadline) noexcept {
        const clock::duration late = clock::now() - deadline;
        if (late < clock::duration::zero()) {
            early_.store(true, std::memory_order_relaxed);
        }
        lateness_.fetch_add(late.count(), std::memory_order_relaxed);
        count_.fetch_add(1, std::memory_order_relaxed);
    }

    void report(benchmark::State& state, std::size_t timers,
                std::chrono::nanoseconds processor_time) const {
        const std::int64_t expected = state.iterations() * static_cast<std::int64_t>(timers);
        verify(state, count_ == expected, "a timer did not expire once");
        verify(state, !early_, "a timer expired early");
        report_items(state, expected);
        report_processor_time(state, processor_time, expected);
        const std::chrono::duration<double> late = clock::duration(lateness_.load());
        state.counters["mean_lateness"] =
            late.count() / static_cast<double>(std::max<std::int64_t>(expected, 1));
    }

private:
    std::atomic<std::int64_t> count_{0};
    std::atomic<clock::rep> lateness_{0};
    std::atomic<bool> early_{false};
};

aloft::task<> sleep_once(std::chrono::microseconds duration, expiry_log& log) {
    const clock::time_point deadline = clock::now() + duration;
    co_await aloft::sleep_for(duration);
    log.record(deadline);
}

aloft::task<> sleep_together(const timer_set& timers, expiry_log& log) {
    std::vector<aloft::task<>> sleepers;
    sleepers.reserve(timers.count);
    for (std::size_t i = 0; i < timers.count; ++i) {
        sleepers.push_back(sleep_once(timers.duration_of(i), log));
    }
    co_await aloft::when_all(std::move(sleepers));
}

/// A thread for each timer.
void sleep_on_threads(const timer_set& timers, expiry_log& log) {
    std::vector<std::thread> threads;
    threads.reserve(timers.count);
    for (std::size_t i = 0; i < timers.count; ++i) {
        threads.emplace_back([duration = timers.duration_of(i), &log] {
            const clock::time_point deadline = clock::now() + duration;
            std::this_thread::sleep_for(duration);
            log.record(deadline);
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
}

/// The calling thread has a queue of deadlines with what is to be done then.
void sleep_in_loop(const timer_set& timers, expiry_log& log) {
    struct entry {
        clock::time_point deadline;
        std::function<void(clock::time_point)> action;
    };
    const auto later = [](const entry& a, const entry& b) { return a.deadline > b.deadline; };
    std::priority_queue<entry, std::vector<entry>, decltype(later)> queue(later);
    for (std::size_t i = 0; i < timers.count; ++i) {
        queue.push({clock::now() + timers.duration_of(i),
                    [&log](clock::time_point deadline) { log.record(deadline); }});
    }
    while (!queue.empty()) {
        const entry& next = queue.top();
        if (clock::now() < next.deadline) {
            std::this_thread::sleep_until(next.deadline);
        }
        next.action(next.deadline);
        queue.pop();
    }
}

template <class Sleep>
void measure_timers(benchmark::State& state, const timer_set& timers, Sleep sleep) {
    expiry_log log;
    const std::chrono::nanoseconds before = process_time();
    for (auto _ : state) {
        sleep(timers, log);
    }
    log.report(state, timers.count, process_time() - before);
}

void add(const timer_set& timers, const std::string& count, bool with_threads) {
    comparison rows("timer/" + std::to_string(timers.count),
                    count + " timers of up to " + std::to_string(timers.longest.count()) +
                        " ms, created and expired, each",
                    {measure::processor_time_per_item});
    rows.with_aloft([timers](benchmark::State& state) {
            measure_timers(state, timers, [](const timer_set& set, expiry_log& log) {
                aloft::sync_wait(pool(), sleep_together(set, log));
            });
        })
        .against(
            "priority_queue", "loop over a `std::priority_queue`",
            [timers](benchmark::State& state) { measure_timers(state, timers, &sleep_in_loop); });
    if (with_threads) {
        rows.against("std_thread", "a sleeping `std::thread` each",
                     [timers](benchmark::State& state) {
                         measure_timers(state, timers, &sleep_on_threads);
                     });
    }
}

} // namespace

void add_timer_suite() {
    using namespace std::chrono_literals;
    add({1'000, 4ms}, "1,000", true);
    add({100'000, 200ms}, "100,000", false);
}

} // namespace bench

// SPDX-License-Identifier: MIT
#include "support/comparison.hpp"

#include <exception>
#include <utility>

namespace bench {

std::deque<comparison_record>& comparisons() {
    static std::deque<comparison_record> all;
    return all;
}

comparison& comparison::against(const std::string& variant, std::string label, body run) {
    const std::string name = record_->name + "/" + variant;
    record_->contestants.push_back({name, std::move(label)});
    auto guarded = [run = std::move(run)](benchmark::State& state) {
        try {
            run(state);
        } catch (const std::exception& error) {
            state.SkipWithError(error.what());
        }
    };
    // The work is spread over threads: the time of the one that waits for it says nothing.
    benchmark::RegisterBenchmark(name.c_str(), std::move(guarded))
        ->UseRealTime()
        ->MeasureProcessCPUTime();
    return *this;
}

void report_items(benchmark::State& state, std::int64_t items) {
    state.SetItemsProcessed(items);
    state.counters["time_per_item"] = benchmark::Counter(
        static_cast<double>(items), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void report_processor_time(benchmark::State& state, std::chrono::nanoseconds used,
                           std::int64_t items) {
    if (items > 0) {
        const std::chrono::duration<double> seconds = used;
        state.counters["processor_time_per_item"] = seconds.count() / static_cast<double>(items);
    }
}

} // namespace bench

// SPDX-License-Identifier: MIT
// A comparison: one kind of work, done with aloft and with what one would write otherwise.
//
//     bench::comparison("offload", "offload a call and await its result")
//         .with_aloft(&aloft_round_trip)
//         .against("std_async", "`std::async(launch::async)`", &async_round_trip);
//
// registers the benchmarks offload/aloft and offload/std_async and a row of the closing table.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

using body = std::function<void(benchmark::State&)>;

/// Which of a benchmark's figures the table shows.
enum class measure { time_per_item, items_per_second, processor_time_per_item };

/// One way to do the work.
struct contestant {
    std::string benchmark; ///< the name in Google Benchmark, "work/variant"
    std::string label;     ///< the name in the table, in Markdown
};

/// What the table needs to know of a comparison.
struct comparison_record {
    std::string name;
    std::string work;
    std::vector<measure> measures;
    std::vector<contestant> contestants; ///< aloft is the first
};

/// All comparisons, in the order of their registration. Elements stay where they are.
[[nodiscard]] std::deque<comparison_record>& comparisons();

class comparison {
public:
    comparison(std::string name, std::string work,
               std::vector<measure> measures = {measure::time_per_item})
        : record_(&comparisons().emplace_back()) {
        record_->name = std::move(name);
        record_->work = std::move(work);
        record_->measures = std::move(measures);
    }

    comparison& with_aloft(body run) { return against("aloft", "aloft", std::move(run)); }
    comparison& against(const std::string& variant, std::string label, body run);

private:
    comparison_record* record_;
};

/// Sets the counters that every benchmark has: items_per_second and time_per_item.
void report_items(benchmark::State& state, std::int64_t items);

/// Sets the counter processor_time_per_item: `used` is what all items cost together.
void report_processor_time(benchmark::State& state, std::chrono::nanoseconds used,
                           std::int64_t items);

/// Makes the benchmark fail unless the result is right.
inline void verify(benchmark::State& state, bool right, const char* otherwise) {
    if (!right) [[unlikely]] {
        state.SkipWithError(otherwise);
    }
}

} // namespace bench

// SPDX-License-Identifier: MIT
// table_reporter: Google Benchmark's console output, and the comparisons as a Markdown table.
#pragma once

#include "support/comparison.hpp"

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace bench {

class table_reporter : public benchmark::ConsoleReporter {
public:
    using benchmark::ConsoleReporter::ConsoleReporter;

    /// Keeps the figures of every repetition; prints the aggregates, where there are any.
    void ReportRuns(const std::vector<Run>& runs) override;

    /// work | aloft | alternative | ratio, of the medians over the repetitions.
    [[nodiscard]] std::string markdown() const;

    /// Whether a benchmark failed.
    [[nodiscard]] bool failed() const noexcept { return failed_; }

private:
    using figures = std::vector<double>; // one per repetition, sorted
    [[nodiscard]] figures figures_of(const std::string& benchmark, measure what) const;

    std::map<std::string, std::map<std::string, figures>> counters_; // by benchmark, by counter
    bool failed_ = false;
};

} // namespace bench

// SPDX-License-Identifier: MIT
#include "support/table_reporter.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace bench {
namespace {

// Repetitions that differ by more than this factor make a ratio doubtful.
constexpr double noisy_spread = 1.5;

std::string format(double value, int decimals, const char* unit) {
    std::array<char, 64> text{};
    (void)std::snprintf(text.data(), text.size(), "%.*f%s", decimals, value, unit);
    return text.data();
}

/// Three significant digits, as far as they are behind the point.
std::string with_digits(double value, const char* unit) {
    const int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
    return format(value, decimals, unit);
}

std::string format_time(double seconds) {
    if (seconds < 1e-6) {
        return with_digits(seconds * 1e9, " ns");
    }
    if (seconds < 1e-3) {
        return with_digits(seconds * 1e6, " us");
    }
    return with_digits(seconds * 1e3, " ms");
}

std::string format_rate(double per_second) {
    if (per_second >= 1e6) {
        return with_digits(per_second / 1e6, " M/s");
    }
    if (per_second >= 1e3) {
        return with_digits(per_second / 1e3, " k/s");
    }
    return with_digits(per_second, " /s");
}

const char* counter_name(measure what) noexcept {
    switch (what) {
    case measure::time_per_item:
        return "time_per_item";
    case measure::items_per_second:
        return "items_per_second";
    case measure::processor_time_per_item:
        return "processor_time_per_item";
    }
    return "";
}

const char* suffix_of(measure what) noexcept {
    return what == measure::processor_time_per_item ? ", processor time" : "";
}

/// Google Benchmark 1.8 has an enumeration where 1.7 had a bool.
template <class Run>
[[nodiscard]] bool has_failed(const Run& run) noexcept {
    if constexpr (requires { run.error_occurred; }) {
        return run.error_occurred;
    } else {
        return static_cast<int>(run.skipped) != 0;
    }
}

double median(const std::vector<double>& sorted) noexcept {
    const std::size_t middle = sorted.size() / 2;
    return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

bool is_noisy(const std::vector<double>& sorted) noexcept {
    return sorted.back() > sorted.front() * noisy_spread;
}

} // namespace

void table_reporter::ReportRuns(const std::vector<Run>& runs) {
    std::vector<Run> shown;
    const bool has_aggregates = std::any_of(
        runs.begin(), runs.end(), [](const Run& run) { return run.run_type == Run::RT_Aggregate; });
    for (const Run& run : runs) {
        failed_ = failed_ || has_failed(run);
        if (run.run_type == Run::RT_Iteration && !has_failed(run)) {
            for (const auto& [name, counter] : run.counters) {
                counters_[run.run_name.function_name][name].push_back(counter.value);
            }
        }
        if (!has_aggregates || run.run_type == Run::RT_Aggregate || has_failed(run)) {
            shown.push_back(run);
        }
    }
    ConsoleReporter::ReportRuns(shown);
}

table_reporter::figures table_reporter::figures_of(const std::string& benchmark,
                                                   measure what) const {
    const auto found = counters_.find(benchmark);
    if (found == counters_.end()) {
        return {};
    }
    const auto counter = found->second.find(counter_name(what));
    if (counter == found->second.end()) {
        return {};
    }
    figures sorted = counter->second;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
}

std::string table_reporter::markdown() const {
    std::string rows;
    std::string previous;
    bool noisy = false;
    for (const comparison_record& each : comparisons()) {
        for (const measure what : each.measures) {
            const figures ours = figures_of(each.contestants.front().benchmark, what);
            for (std::size_t i = 1; i < each.contestants.size(); ++i) {
                const figures theirs = figures_of(each.contestants[i].benchmark, what);
                if (ours.empty() || theirs.empty()) {
                    continue; // filtered out, or failed
                }
                const bool is_rate = what == measure::items_per_second;
                const double a = median(ours);
                const double b = median(theirs);
                const auto show = is_rate ? &format_rate : &format_time;
                const bool mark = is_noisy(ours) || is_noisy(theirs);
                noisy = noisy || mark;
                // Further alternatives to the same work go below, without repeating it.
                const std::string row = each.work + suffix_of(what) + " | " + show(a);
                rows += (row == previous ? std::string("| |") : "| " + row) + " | " +
                        each.contestants[i].label + ": " + show(b) + " | " +
                        with_digits(is_rate ? a / b : b / a, "") + (mark ? " ~" : "") + " |\n";
                previous = row;
            }
        }
    }
    if (rows.empty()) {
        return {};
    }
    std::string text = "| work | aloft | alternative | ratio |\n"
                       "| --- | ---: | ---: | ---: |\n" +
                       rows + "\nMedians over the repetitions. Ratio: above 1, aloft is better.";
    if (noisy) {
        text += " ~: repetitions differ by more than " + format((noisy_spread - 1) * 100, 0, "") +
                " %.";
    }
    return text + "\n";
}

} // namespace bench

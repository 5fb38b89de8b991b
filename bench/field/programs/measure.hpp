// SPDX-License-Identifier: MIT
// What the programs of the field comparison share: a clock, arguments, and lines for the driver.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace field {

[[nodiscard]] inline double seconds_now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// The argument at `index`, or `otherwise`.
[[nodiscard]] inline std::size_t argument(int argc, char** argv, int index, std::size_t otherwise) {
    return index < argc ? std::strtoull(argv[index], nullptr, 10) : otherwise;
}

/// One figure for the driver; it reads lines of `name=value`.
inline void report(const char* name, double value) {
    std::printf("%s=%.6g\n", name, value);
}

/// The median of what `round` gives, which is called `rounds` times.
template <class Round>
[[nodiscard]] double median_of(std::size_t rounds, Round&& round) {
    std::vector<double> figures;
    for (std::size_t i = 0; i < rounds; ++i) {
        figures.push_back(round());
    }
    std::sort(figures.begin(), figures.end());
    return figures[figures.size() / 2];
}

/// Ends the program if its own result is wrong: then its figures mean nothing.
inline void must_be(bool right, const char* what) {
    if (!right) {
        std::fprintf(stderr, "wrong result: %s\n", what);
        std::exit(1);
    }
}

/// Bytes; of this program. Not from getrusage, which remembers what the process was before exec.
[[nodiscard]] inline double peak_memory() {
    std::ifstream file("/proc/self/status");
    std::string word;
    double kibibytes = 0;
    while (file >> word) {
        if (word == "VmHWM:" && file >> kibibytes) {
            return kibibytes * 1024.0;
        }
    }
    return 0;
}

[[nodiscard]] inline double processor_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

[[nodiscard]] inline double voluntary_switches() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_nvcsw);
}

/// Reports percentiles of delays, and sorts them.
inline void report_delays(const char* what, std::vector<double>& delays, const char* unit = "ms") {
    must_be(!delays.empty(), what);
    std::sort(delays.begin(), delays.end());
    const auto at = [&](double part) {
        return delays[static_cast<std::size_t>(static_cast<double>(delays.size() - 1) * part)];
    };
    char name[64];
    const struct {
        const char* suffix;
        double part;
    } wanted[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"worst", 1.0}};
    for (const auto& each : wanted) {
        std::snprintf(name, sizeof name, "%s_%s_%s", what, each.suffix, unit);
        report(name, at(each.part));
    }
}

} // namespace field

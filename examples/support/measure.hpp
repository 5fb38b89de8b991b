// SPDX-License-Identifier: MIT
// What this process has used so far: time, processor time, memory, threads and context switches.
//
//     support::usage used;
//     {
//         const support::measurement running{used}; // starts here, is stored when the scope ends
//         work();
//     }
//     std::cout << support::format_duration(used.wall);
//
// or, shorter, `const support::usage used = support::measure([&] { work(); });`.
//
// The figures are those of the whole process, so it does not matter which thread asks. Where they come
// from: linux_figures.hpp, windows_figures.hpp. What the system does not tell is 0.
#pragma once

#if defined(_WIN32)
#include "windows_figures.hpp"
#else
#include "linux_figures.hpp"
#endif

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace support {

/// What was used between two moments.
struct usage {
    std::chrono::nanoseconds wall{};
    std::chrono::nanoseconds processor{};   ///< user and kernel time of all threads
    std::chrono::nanoseconds machine{};     ///< the same of all programs, to 10 ms or so
    std::uint64_t voluntary_switches = 0;   ///< a thread waited for something
    std::uint64_t involuntary_switches = 0; ///< a thread had the processor taken away
    std::uint64_t peak_resident_growth = 0; ///< bytes: peak meanwhile less resident at the start

    [[nodiscard]] std::uint64_t context_switches() const {
        return voluntary_switches + involuntary_switches;
    }

    /// Processors that this process kept busy on average; 0 where no time has passed.
    [[nodiscard]] double busy_processors() const { return in_parallel(processor); }

    /// Processors that other programs kept busy meanwhile, and so were not there for this one.
    [[nodiscard]] double processors_of_others() const {
        return std::max(0.0, in_parallel(machine - processor));
    }

private:
    [[nodiscard]] double in_parallel(std::chrono::nanoseconds time) const {
        return wall.count() == 0
                   ? 0.0
                   : static_cast<double>(time.count()) / static_cast<double>(wall.count());
    }
};

/// Measures from its construction; stores the result when it is destroyed. Measurements may
/// overlap, but as the peak is the process's, an inner one restarts the peak of an outer one.
class measurement {
public:
    explicit measurement(usage& result) : result_(&result) {
        reset_peak_resident();
        resident_at_start_ = resident_bytes();
        at_start_ = read_figures();
        start_ = std::chrono::steady_clock::now();
    }

    measurement(const measurement&) = delete;
    measurement& operator=(const measurement&) = delete;

    ~measurement() { *result_ = so_far(); }

    [[nodiscard]] usage so_far() const {
        usage difference;
        difference.wall = std::chrono::steady_clock::now() - start_;
        const figures now = read_figures();
        difference.processor = now.processor - at_start_.processor;
        difference.machine = now.machine - at_start_.machine;
        difference.voluntary_switches = now.voluntary_switches - at_start_.voluntary_switches;
        difference.involuntary_switches = now.involuntary_switches - at_start_.involuntary_switches;
        const std::uint64_t peak = peak_resident_bytes();
        difference.peak_resident_growth = peak > resident_at_start_ ? peak - resident_at_start_ : 0;
        return difference;
    }

private:
    usage* result_;
    std::uint64_t resident_at_start_ = 0;
    figures at_start_;
    std::chrono::steady_clock::time_point start_;
};

/// Runs `work` and says what it used; what it throws passes through.
template <class Work>
[[nodiscard]] usage measure(Work&& work) {
    usage used;
    {
        const measurement running{used};
        std::forward<Work>(work)();
    }
    return used;
}

} // namespace support

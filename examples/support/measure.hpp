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
// The figures are those of the whole process, so it does not matter which thread asks. Linux only:
// memory, threads and the machine are read from /proc, and are 0 where that is not mounted.
#pragma once

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

namespace support {

namespace detail {

// The number behind `name` in /proc/self/status, without its unit.
[[nodiscard]] inline std::uint64_t read_status_field(std::string_view name) {
    std::ifstream status{"/proc/self/status"};
    std::string line;
    while (std::getline(status, line)) {
        if (line.size() > name.size() && line.compare(0, name.size(), name) == 0 &&
            line[name.size()] == ':') {
            const std::size_t digits = line.find_first_of("0123456789", name.size());
            return digits == std::string::npos ? 0 : std::stoull(line.substr(digits));
        }
    }
    return 0;
}

// Time that the processors of the machine were not idle, of all programs; in ticks of 10 ms.
[[nodiscard]] inline std::chrono::nanoseconds read_machine_time() {
    std::ifstream status{"/proc/stat"};
    std::string label;
    std::uint64_t user = 0;
    std::uint64_t nice = 0;
    std::uint64_t system = 0;
    std::uint64_t idle = 0;
    std::uint64_t waiting = 0;
    std::uint64_t interrupts = 0;
    std::uint64_t soft_interrupts = 0;
    std::uint64_t stolen = 0;
    status >> label >> user >> nice >> system >> idle >> waiting >> interrupts >> soft_interrupts >>
        stolen;
    const std::uint64_t ticks = user + nice + system + interrupts + soft_interrupts + stolen;
    const long per_second = ::sysconf(_SC_CLK_TCK);
    return std::chrono::seconds{ticks} / (per_second > 0 ? per_second : 100);
}

[[nodiscard]] inline std::chrono::nanoseconds to_duration(const timeval& time) {
    return std::chrono::seconds{time.tv_sec} + std::chrono::microseconds{time.tv_usec};
}

[[nodiscard]] inline rusage read_usage() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return used;
}

} // namespace detail

/// Memory in the process now, in bytes (VmRSS).
[[nodiscard]] inline std::uint64_t resident_bytes() {
    return detail::read_status_field("VmRSS") * 1024;
}

/// The most memory that was in the process since its start, or since the last reset, in bytes.
[[nodiscard]] inline std::uint64_t peak_resident_bytes() {
    return detail::read_status_field("VmHWM") * 1024;
}

/// Makes `peak_resident_bytes` start again from what is resident now; false where the kernel
/// does not allow it.
inline bool reset_peak_resident() {
    std::ofstream clear{"/proc/self/clear_refs"};
    clear << "5" << std::flush;
    return clear.good();
}

/// Threads alive now, those of the library and those of others.
[[nodiscard]] inline std::uint64_t thread_count() {
    return detail::read_status_field("Threads");
}

/// Processor time used so far by all threads, user and kernel together.
[[nodiscard]] inline std::chrono::nanoseconds processor_time() {
    const rusage used = detail::read_usage();
    return detail::to_duration(used.ru_utime) + detail::to_duration(used.ru_stime);
}

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
        machine_at_start_ = detail::read_machine_time();
        used_at_start_ = detail::read_usage();
        start_ = std::chrono::steady_clock::now();
    }

    measurement(const measurement&) = delete;
    measurement& operator=(const measurement&) = delete;

    ~measurement() { *result_ = so_far(); }

    [[nodiscard]] usage so_far() const {
        usage difference;
        difference.wall = std::chrono::steady_clock::now() - start_;
        const rusage used = detail::read_usage();
        difference.processor = detail::to_duration(used.ru_utime) +
                               detail::to_duration(used.ru_stime) -
                               detail::to_duration(used_at_start_.ru_utime) -
                               detail::to_duration(used_at_start_.ru_stime);
        difference.voluntary_switches =
            static_cast<std::uint64_t>(used.ru_nvcsw - used_at_start_.ru_nvcsw);
        difference.involuntary_switches =
            static_cast<std::uint64_t>(used.ru_nivcsw - used_at_start_.ru_nivcsw);
        difference.machine = detail::read_machine_time() - machine_at_start_;
        const std::uint64_t peak = peak_resident_bytes();
        difference.peak_resident_growth = peak > resident_at_start_ ? peak - resident_at_start_ : 0;
        return difference;
    }

private:
    usage* result_;
    std::uint64_t resident_at_start_ = 0;
    std::chrono::nanoseconds machine_at_start_{};
    rusage used_at_start_{};
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

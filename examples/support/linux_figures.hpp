// SPDX-License-Identifier: MIT
// What this process has used so far, from getrusage and /proc; 0 where that is not mounted.
#pragma once

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

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

/// What this process has used since its start, and the machine.
struct figures {
    std::chrono::nanoseconds processor{}; ///< user and kernel time of all threads
    std::chrono::nanoseconds machine{};   ///< the same of all programs, to 10 ms or so
    std::uint64_t voluntary_switches = 0;
    std::uint64_t involuntary_switches = 0;
};

[[nodiscard]] inline figures read_figures() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    figures now;
    now.processor = detail::to_duration(used.ru_utime) + detail::to_duration(used.ru_stime);
    now.machine = detail::read_machine_time();
    now.voluntary_switches = static_cast<std::uint64_t>(used.ru_nvcsw);
    now.involuntary_switches = static_cast<std::uint64_t>(used.ru_nivcsw);
    return now;
}

/// Processor time used so far by all threads, user and kernel together.
[[nodiscard]] inline std::chrono::nanoseconds processor_time() {
    return read_figures().processor;
}

} // namespace support

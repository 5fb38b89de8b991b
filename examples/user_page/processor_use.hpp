// SPDX-License-Identifier: MIT
// Who uses the processors: the whole machine, and single processes.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace user_page {

/// Processor time that all processes and the kernel have used since the machine started. In ticks
/// of the kernel's clock, so good for tens of milliseconds.
[[nodiscard]] inline std::chrono::nanoseconds machine_processor_time() {
    std::ifstream file("/proc/stat");
    std::string label;
    std::array<std::int64_t, 8> ticks{}; // user nice system idle iowait irq softirq steal
    file >> label;
    for (std::int64_t& one : ticks) {
        file >> one;
    }
    const std::int64_t busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6];
    return std::chrono::nanoseconds(busy * 1'000'000'000 / ::sysconf(_SC_CLK_TCK));
}

/// Processor time that the threads of a process have used so far; 0 if it is gone, or not on this
/// machine.
[[nodiscard]] inline std::chrono::nanoseconds processor_time_of(pid_t process) {
    std::int64_t total = 0;
    std::error_code gone;
    const std::string tasks = "/proc/" + std::to_string(process) + "/task";
    for (const auto& thread : std::filesystem::directory_iterator(tasks, gone)) {
        std::int64_t nanoseconds = 0;
        std::ifstream(thread.path() / "schedstat") >> nanoseconds;
        total += nanoseconds;
    }
    return std::chrono::nanoseconds(total);
}

/// Threads of a process now; 0 if it is gone.
[[nodiscard]] inline std::uint64_t threads_of(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/status");
    std::string word;
    while (file >> word) {
        if (word == "Threads:") {
            std::uint64_t count = 0;
            file >> count;
            return count;
        }
    }
    return 0;
}

} // namespace user_page

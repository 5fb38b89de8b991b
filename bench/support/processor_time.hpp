// SPDX-License-Identifier: MIT
// Processor time, user and kernel together, from the clocks of the process and its threads.
#pragma once

#include <chrono>
#include <ctime>

namespace bench {

[[nodiscard]] inline std::chrono::nanoseconds read_clock(clockid_t clock) noexcept {
    std::timespec time{};
    (void)::clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// Of all threads, those that have ended and the kernel's workers for our rings included.
[[nodiscard]] inline std::chrono::nanoseconds process_time() noexcept {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/// Of the calling thread.
[[nodiscard]] inline std::chrono::nanoseconds thread_time() noexcept {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/// Of all threads but the calling one.
[[nodiscard]] inline std::chrono::nanoseconds time_of_other_threads() noexcept {
    return process_time() - thread_time();
}

} // namespace bench

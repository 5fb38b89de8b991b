// SPDX-License-Identifier: MIT
// What this process has used so far, from Windows. It does not count switches, and knows one peak of the
// memory, that since the start.
#pragma once

#include <winsock2.h>
// behind winsock2.h
#include <windows.h>
// behind windows.h
#include <psapi.h>
#include <tlhelp32.h>

#include <chrono>
#include <cstdint>

namespace support {

namespace detail {

[[nodiscard]] inline std::chrono::nanoseconds to_duration(const FILETIME& time) {
    const std::uint64_t ticks =
        std::uint64_t{time.dwHighDateTime} << 32 | std::uint64_t{time.dwLowDateTime};
    return std::chrono::nanoseconds{static_cast<std::int64_t>(ticks) * 100};
}

[[nodiscard]] inline PROCESS_MEMORY_COUNTERS read_memory() {
    PROCESS_MEMORY_COUNTERS memory{};
    (void)::K32GetProcessMemoryInfo(::GetCurrentProcess(), &memory, sizeof memory);
    return memory;
}

} // namespace detail

/// Memory in the process now, in bytes.
[[nodiscard]] inline std::uint64_t resident_bytes() {
    return detail::read_memory().WorkingSetSize;
}

/// The most memory that was in the process since its start, in bytes.
[[nodiscard]] inline std::uint64_t peak_resident_bytes() {
    return detail::read_memory().PeakWorkingSetSize;
}

/// False: the peak cannot be made to start again.
inline bool reset_peak_resident() {
    return false;
}

/// Threads alive now, those of the library and those of others.
[[nodiscard]] inline std::uint64_t thread_count() {
    const HANDLE all = ::CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    THREADENTRY32 each{};
    each.dwSize = sizeof each;
    std::uint64_t count = 0;
    for (BOOL more = ::Thread32First(all, &each); more != 0; more = ::Thread32Next(all, &each)) {
        count += each.th32OwnerProcessID == ::GetCurrentProcessId() ? 1 : 0;
    }
    (void)::CloseHandle(all);
    return count;
}

/// What this process has used since its start, and the machine.
struct figures {
    std::chrono::nanoseconds processor{}; ///< user and kernel time of all threads
    std::chrono::nanoseconds machine{};   ///< the same of all programs
    std::uint64_t voluntary_switches = 0;
    std::uint64_t involuntary_switches = 0;
};

[[nodiscard]] inline figures read_figures() {
    FILETIME ignored{};
    FILETIME kernel{};
    FILETIME user{};
    figures now;
    (void)::GetProcessTimes(::GetCurrentProcess(), &ignored, &ignored, &kernel, &user);
    now.processor = detail::to_duration(kernel) + detail::to_duration(user);
    FILETIME idle{};
    (void)::GetSystemTimes(&idle, &kernel, &user); // the kernel's time includes the idle one
    now.machine =
        detail::to_duration(kernel) + detail::to_duration(user) - detail::to_duration(idle);
    return now;
}

/// Processor time used so far by all threads, user and kernel together.
[[nodiscard]] inline std::chrono::nanoseconds processor_time() {
    return read_figures().processor;
}

} // namespace support

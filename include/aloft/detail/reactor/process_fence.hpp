// SPDX-License-Identifier: MIT
// The heavy half of the asymmetric fence (detail/base/atomic.hpp), from the operating system.
// Layer: L2 reactor
//
// membarrier(PRIVATE_EXPEDITED) interrupts every processor that runs a thread of this process; on
// its way back each of them passes a full fence. It also makes a running owner of a ring pass the
// kernel's exit path, where pending task work is run: answers of operations become visible
// (worker.hpp uses it for both). On Windows FlushProcessWriteBuffers is the fence.
#pragma once

#include <aloft/detail/base/atomic.hpp>

#if defined(__linux__)
#include <cerrno>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(_WIN32)
#include <aloft/detail/reactor/windows_api.hpp>
#endif

namespace aloft::inline ALOFT_ABI::detail {

#if defined(__linux__)
inline bool fence_all_threads() noexcept {
    while (::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
        if (errno != ENOMEM) { // which it may be for a moment
            return false;
        }
    }
    return true;
}

/// Registers the process; idempotent. False where the system refuses.
[[nodiscard]] inline bool register_process_fence() noexcept {
    return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}
#elif defined(_WIN32)
inline bool fence_all_threads() noexcept {
    ::FlushProcessWriteBuffers();
    return true;
}

/// False under Wine, where the call is there and did nothing in version 8, and nothing tells the
/// versions apart that do something.
[[nodiscard]] inline bool register_process_fence() noexcept {
    return ::GetProcAddress(::GetModuleHandleW(L"ntdll.dll"), "wine_get_version") == nullptr;
}
#else
inline bool fence_all_threads() noexcept {
    return false;
}
[[nodiscard]] inline bool register_process_fence() noexcept {
    return false;
}
#endif

/// Called by every runtime before it starts threads. The first call decides; the others register
/// again, because a child process after fork() may be the one that calls. Where a filter has come to
/// refuse it by then, that runtime's fences stay heavy: watcher.hpp asks on a thread of its own.
ALOFT_COLD inline void choose_process_fence() noexcept {
    const bool offered = register_process_fence();
    static const bool decided = [offered] {
        if (offered) {
            asymmetric_fence = &fence_all_threads;
        }
        return true;
    }();
    (void)decided;
}

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// What the runtime needs of the operating system besides I/O: thread set-up, and noticing fork().
// Layer: L2 reactor
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdio>

#if defined(_WIN32)
#include <aloft/detail/reactor/process_windows.hpp>
#else

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/frame_depot.hpp>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

namespace aloft::inline ALOFT_ABI::detail {

/// Counts the forks between the process that initialised the library and this one.
inline atomic<unsigned>& fork_generation() noexcept {
    static atomic<unsigned> generation{0};
    static const int registered = ::pthread_atfork(
        nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
    (void)registered;
    return generation;
}

/// Lets the memory of frames come in larger pieces than pages, where the system offers that. What it
/// does not do now, page faults do later.
ALOFT_COLD inline void offer_memory_in_pieces() noexcept {
    static const bool done = [] {
#if defined(MADV_HUGEPAGE)
        prefer_large_pages = [](void* block, std::size_t bytes) noexcept {
            (void)::madvise(block, bytes, MADV_HUGEPAGE);
        };
#endif
#if defined(MADV_POPULATE_WRITE)
        populate_memory = [](void* block, std::size_t bytes) noexcept {
            (void)::madvise(block, bytes, MADV_POPULATE_WRITE);
        };
#endif
        return true;
    }();
    (void)done;
}

/// On the calling thread a write to a broken pipe is an error, not a signal.
inline void block_broken_pipe_signal() noexcept {
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
}

/// At most 15 characters are shown.
inline void prepare_thread(const char* name) noexcept {
    block_broken_pipe_signal();
    (void)pthread_setname_np(pthread_self(), name);
}

/// False: the system does not allow it, or has no such processor.
[[nodiscard]] inline bool keep_thread_on(pthread_t thread, unsigned processor) noexcept {
    if (processor >= CPU_SETSIZE) {
        return false;
    }
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(processor, &only);
    return pthread_setaffinity_np(thread, sizeof only, &only) == 0;
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

namespace aloft::inline ALOFT_ABI::detail {

inline void prepare_worker_thread(std::size_t index) noexcept {
    char name[16];
    (void)std::snprintf(name, sizeof name, "aloft-%u", static_cast<unsigned>(index));
    prepare_thread(name);
}

} // namespace aloft::inline ALOFT_ABI::detail

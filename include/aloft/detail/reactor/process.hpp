// SPDX-License-Identifier: MIT
// What the runtime needs of the operating system besides I/O: thread set-up, and noticing fork().
// Layer: L2 reactor
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
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

/// From the system directly, so that the block is no part of other large pages. What is not offered
/// for it costs time only.
inline void* map_slab(std::size_t bytes, bool large_pages) noexcept {
    constexpr int protection = PROT_READ | PROT_WRITE;
    void* const room = ::mmap(nullptr, 2 * bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) {
        return nullptr;
    }
    auto* const begin = static_cast<std::byte*>(room);
    const std::size_t before = bytes - reinterpret_cast<std::uintptr_t>(begin) % bytes;
    std::byte* const slab = begin + before; // if that is aligned, the upper half: side by side
    (void)::munmap(begin, before);
    if (before < bytes) {
        (void)::munmap(slab + bytes, bytes - before);
    }
#if defined(MADV_HUGEPAGE)
    (void)::madvise(slab, bytes, large_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
    return slab;
}

inline void populate_slab([[maybe_unused]] void* begin,
                          [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(MADV_POPULATE_WRITE)
    (void)::madvise(begin, bytes, MADV_POPULATE_WRITE);
#endif
}

inline constexpr slab_source mapped_slabs{
    &map_slab,
    [](void* block, std::size_t bytes) noexcept { (void)::munmap(block, bytes); },
    &populate_slab,
};

ALOFT_COLD inline void offer_slab_memory() noexcept {
    // order(depot.slab_memory): release; its functions
    slab_memory.store(&mapped_slabs, std::memory_order_release);
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

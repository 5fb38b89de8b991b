// SPDX-License-Identifier: MIT
// The one place where the library names its atomics, so that a model checker can replace them.
// Layer: L0 base
//
// 1. Everything concurrent uses detail::atomic, detail::full_fence, detail::light_fence with
//    detail::heavy_fence, detail::thread_mark, detail::spin_pause, and detail::back_off.
// 2. ThreadSanitizer does not model fences; every fence here orders two variables against each
//    other (a Dekker pattern) and never publishes data: publication is always a release store that
//    an acquire load reads, which the sanitizer does see.
// 3. light_fence and heavy_fence are the two halves of an asymmetric fence: between a thread that
//    passed light_fence and one that passed heavy_fence the order is that of two full fences. The
//    light half costs nothing (it only binds the compiler), because the heavy half makes every
//    running thread of the process pass a full fence (membarrier on Linux). Where the system does
//    not offer that, asymmetric_fences() is false, and light fences must not be relied on. That is
//    decided before the first runtime has a thread (detail/reactor/process_fence.hpp).
// 4. ALOFT_MODEL names a header that stands in for all of this; the tests explore interleavings of
//    the real algorithms with it.
// 5. With GCC and clang, detail::atomic is made of the compiler's own functions, as std::atomic is there,
//    and takes std::memory_order, too. <atomic> would cost every file that has a task a quarter of a
//    second: in C++20 it comes with waiting, and so, with libstdc++ 12, with <system_error> and <string>.
#pragma once

#include <aloft/config.hpp>

#if defined(ALOFT_MODEL)
#include ALOFT_MODEL
#endif

#if defined(ALOFT_MODEL) || !(defined(__GNUC__) || defined(__clang__))
#include <atomic>

namespace aloft::inline ALOFT_ABI::detail {
using std::memory_order;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;
#ifndef ALOFT_MODEL
template <class T>
using atomic = std::atomic<T>;
#endif
} // namespace aloft::inline ALOFT_ABI::detail
#else
#include <aloft/detail/base/lean_atomic.hpp>
#endif

#ifndef ALOFT_MODEL
namespace aloft::inline ALOFT_ABI::detail {

/// A sequentially consistent fence: a store before it and a load after it are not reordered.
inline void full_fence() noexcept {
#if ALOFT_TSAN && defined(__GNUC__)
    __sync_synchronize(); // GCC warns about atomic_thread_fence under the thread sanitizer
#elif defined(__clang__) && defined(__x86_64__)
    // Any locked instruction is a full fence, and takes less time than the mfence that clang emits.
    asm volatile("lock; orl $0, (%%rsp)" ::: "memory", "cc");
#elif defined(__GNUC__) || defined(__clang__)
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

/// Makes every running thread of the process pass a full fence; nullptr: not offered here. False: it has
/// been refused, as a filter does that the calling thread has installed since.
using process_fence = bool (*)() noexcept;
constinit inline process_fence asymmetric_fence = nullptr;

/// Whether heavy_fence() is more than a full fence. Without that, light_fence() orders nothing.
[[nodiscard]] inline bool asymmetric_fences() noexcept {
    return asymmetric_fence != nullptr;
}

inline void light_fence() noexcept {
#if defined(__GNUC__) || defined(__clang__)
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
#else
    std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

/// False: it was none for the others.
[[nodiscard]] inline bool heavy_fence() noexcept {
    if (asymmetric_fence != nullptr) [[likely]] {
        return asymmetric_fence();
    }
    full_fence();
    return true;
}

constinit inline thread_local char thread_mark_byte = 0;

/// Different for every thread that exists. Not inlined: a coroutine may change threads.
[[nodiscard]] ALOFT_NOINLINE inline const void* thread_mark() noexcept {
    return &thread_mark_byte;
}

/// Tells the processor that this is a spin loop.
inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

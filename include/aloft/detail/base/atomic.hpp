// SPDX-License-Identifier: MIT
// The one place where the library names its atomics, so that a model checker can replace them.
// Layer: L0 base
//
// 1. Everything concurrent uses detail::atomic, detail::full_fence and detail::spin_pause.
// 2. ThreadSanitizer does not model fences; every fence here orders two variables against each
//    other (a Dekker pattern) and never publishes data: publication is always a release store that
//    an acquire load reads, which the sanitizer does see.
#pragma once

#include <aloft/config.hpp>

#include <atomic>
#include <cstdint>
#include <thread>

namespace aloft::inline ALOFT_ABI::detail {

template <class T>
using atomic = std::atomic<T>;

/// A sequentially consistent fence: a store before it and a load after it are not reordered.
inline void full_fence() noexcept {
#if ALOFT_TSAN && defined(__GNUC__)
    __sync_synchronize(); // GCC warns about atomic_thread_fence under the thread sanitizer
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
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

// SPDX-License-Identifier: MIT
// Tells the thread sanitizer about edges that run through the kernel, which it cannot see.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

#if ALOFT_TSAN
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace aloft::inline ALOFT_ABI::detail {

/// What this thread wrote is handed to the kernel together with `address`.
inline void kernel_release([[maybe_unused]] void* address) noexcept {
#if ALOFT_TSAN
    __tsan_release(address);
#endif
}

/// The kernel handed `address` back.
inline void kernel_acquire([[maybe_unused]] void* address) noexcept {
#if ALOFT_TSAN
    __tsan_acquire(address);
#endif
}

} // namespace aloft::inline ALOFT_ABI::detail

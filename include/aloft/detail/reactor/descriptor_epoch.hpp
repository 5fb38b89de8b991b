// SPDX-License-Identifier: MIT
// Tells that the library has closed a descriptor, so that what is remembered under its number ends.
// Layer: L2 reactor
//
// A number that is closed may be given to another file at once. Whoever keeps something under a
// number notes its epoch before, and trusts it only while the epoch is the same. Numbers share
// epochs, so a different one means "perhaps closed": then the kernel is asked.
//
// The epoch changes before the number is free, so whoever gets the number anew finds it changed.
#pragma once

#include <aloft/detail/base/atomic.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

inline constexpr std::size_t descriptor_epoch_count = std::size_t{1} << 14;
constinit inline std::array<atomic<std::uint32_t>, descriptor_epoch_count> descriptor_epochs{};

[[nodiscard]] inline std::uint32_t descriptor_epoch(int fd) noexcept {
    // order(descriptor.epoch): acquire; who closed the number before is known
    return descriptor_epochs[static_cast<std::size_t>(fd) % descriptor_epoch_count].load(
        std::memory_order_acquire);
}

/// To be called before `fd` is closed.
inline void end_descriptor_epoch(int fd) noexcept {
    if (fd >= 0) {
        // order(descriptor.epoch): release; the closing comes before what the number is used for next
        descriptor_epochs[static_cast<std::size_t>(fd) % descriptor_epoch_count].fetch_add(
            1, std::memory_order_release);
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

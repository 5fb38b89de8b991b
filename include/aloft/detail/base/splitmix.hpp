// SPDX-License-Identifier: MIT
// splitmix64: random numbers from 64 bits of state, where every seed is a good one.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

[[nodiscard]] inline std::uint64_t splitmix(std::uint64_t& state) noexcept {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/// A number from 0 to below 1, made of 64 random bits.
[[nodiscard]] inline double unit_interval(std::uint64_t bits) noexcept {
    return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

} // namespace aloft::inline ALOFT_ABI::detail

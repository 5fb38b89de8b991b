// SPDX-License-Identifier: MIT
// The distance that keeps two variables of different threads out of each other's way.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

#include <cstddef>

namespace aloft::inline ALOFT_ABI::detail {

/// Fixed, and not std::hardware_destructive_interference_size, whose value depends on flags of the
/// translation unit; 128 because x86-64 prefetches lines in pairs and some ARM cores have such
/// lines.
inline constexpr std::size_t cacheline_bytes = 128;

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// How many rounds a stress test makes: fewer where a sanitizer makes every round slow.
#pragma once

#include <aloft/config.hpp>

#include <cstddef>

namespace testing {

inline constexpr std::size_t slowdown = ALOFT_TSAN ? 10 : (ALOFT_ASAN ? 5 : 1);

/// `full` without sanitizers, and a fixed part of it with them.
[[nodiscard]] constexpr std::size_t scaled(std::size_t full) noexcept {
    return full / slowdown > 0 ? full / slowdown : 1;
}

} // namespace testing

// SPDX-License-Identifier: MIT
// How many rounds a stress test makes: fewer where a sanitizer makes every round slow, far fewer under
// Wine, where to wake a thread takes a hundred times as long, or where the build says so. With
// ALOFT_TEST_SLOWDOWN=1 they make all, which takes several minutes a program.
#pragma once

#include <aloft/config.hpp>

#include <cstddef>

namespace testing {

#if defined(ALOFT_TEST_SLOWDOWN)
inline constexpr std::size_t slowdown = ALOFT_TEST_SLOWDOWN;
#elif defined(_WIN32)
inline constexpr std::size_t slowdown = 200;
#else
inline constexpr std::size_t slowdown = ALOFT_TSAN ? 15 : (ALOFT_ASAN ? 10 : 4);
#endif

/// How many fewer of what costs system calls: a call takes some hundred times as long under Wine.
#if defined(_WIN32)
inline constexpr int fewer_calls = 10;
#else
inline constexpr int fewer_calls = 1;
#endif

/// `full`, or a fixed part of it.
[[nodiscard]] constexpr std::size_t scaled(std::size_t full) noexcept {
    return full / slowdown > 0 ? full / slowdown : 1;
}

/// Of a race against a stop request: `usual`, or a fixed part of it, but a hundred thousand where all
/// are asked for.
[[nodiscard]] constexpr std::size_t race_rounds(std::size_t usual) noexcept {
    constexpr std::size_t all = 100'000;
    return slowdown == 1 && usual < all ? all : scaled(usual);
}

} // namespace testing

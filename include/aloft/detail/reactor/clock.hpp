// SPDX-License-Identifier: MIT
// The clock of deadlines: nanoseconds of std::chrono::steady_clock.
// Layer: L2 reactor
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/base/lean_chrono.hpp>

#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

using clock_ns = std::int64_t;
inline constexpr clock_ns no_deadline = INT64_MAX;

[[nodiscard]] inline clock_ns now_ns() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

} // namespace aloft::inline ALOFT_ABI::detail

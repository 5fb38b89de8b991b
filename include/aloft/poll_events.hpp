// SPDX-License-Identifier: MIT
// poll_events: what a descriptor can be ready for.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

namespace aloft::inline ALOFT_ABI {

/// A set of readiness events; combine with |, test with &.
enum class poll_events : unsigned {
    none = 0,
    in = 1,       ///< reading does not block: data, an end of stream, a connection to accept
    out = 2,      ///< writing does not block
    error = 4,    ///< an error is pending; always reported
    hangup = 8,   ///< the other side is gone; always reported
    priority = 16 ///< exceptional data
};

[[nodiscard]] constexpr poll_events operator|(poll_events a, poll_events b) noexcept {
    return static_cast<poll_events>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
[[nodiscard]] constexpr poll_events operator&(poll_events a, poll_events b) noexcept {
    return static_cast<poll_events>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}
constexpr poll_events& operator|=(poll_events& a, poll_events b) noexcept {
    return a = a | b;
}
constexpr poll_events& operator&=(poll_events& a, poll_events b) noexcept {
    return a = a & b;
}

/// Whether any event is in the set.
[[nodiscard]] constexpr bool any(poll_events events) noexcept {
    return events != poll_events::none;
}

} // namespace aloft::inline ALOFT_ABI

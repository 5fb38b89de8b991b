// SPDX-License-Identifier: MIT
// open_mode: how a file is opened.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

namespace aloft::inline ALOFT_ABI {

/// A set of flags; combine with |. At least read or write (append implies write).
enum class open_mode : unsigned {
    read = 1,
    write = 2,
    read_write = read | write,
    append = 4,     ///< every write goes to the end
    create = 8,     ///< make the file if it is not there
    truncate = 16,  ///< empty the file first
    exclusive = 32, ///< with create: fail if it is there
    direct =
        64 ///< past the page cache; buffers, sizes and offsets must be aligned as the device wants
};

[[nodiscard]] constexpr open_mode operator|(open_mode a, open_mode b) noexcept {
    return static_cast<open_mode>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

/// Whether `set` has any flag of `flags`.
[[nodiscard]] constexpr bool has(open_mode set, open_mode flags) noexcept {
    return (static_cast<unsigned>(set) & static_cast<unsigned>(flags)) != 0;
}

} // namespace aloft::inline ALOFT_ABI

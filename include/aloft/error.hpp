// SPDX-License-Identifier: MIT
// How failures of the operating system become std::system_error with a sentence that names them.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

#include <string>
#include <string_view>
#include <system_error>

namespace aloft::inline ALOFT_ABI {

/// The code that a cancelled operation reports: compares equal to std::errc::operation_canceled.
[[nodiscard]] inline std::error_code canceled_error() noexcept {
    return std::make_error_code(std::errc::operation_canceled);
}

/// The operating system's error number as an error_code.
[[nodiscard]] inline std::error_code system_error_code(int number) noexcept {
    return {number, std::system_category()};
}

namespace detail {

[[noreturn]] ALOFT_NOINLINE inline void throw_error(std::error_code code, const std::string& what) {
    throw std::system_error(code, what);
}

[[noreturn]] ALOFT_NOINLINE inline void throw_errno(int number, const std::string& what) {
    throw std::system_error(system_error_code(number), what);
}

} // namespace detail
} // namespace aloft::inline ALOFT_ABI

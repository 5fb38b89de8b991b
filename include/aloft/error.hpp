// SPDX-License-Identifier: MIT
// How failures of the operating system become std::system_error with a sentence that names them.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/base/throw_error.hpp>

#if !ALOFT_SEPARATE
#include <aloft/detail/base/throw_error_definitions.hpp>
#endif

#if defined(_WIN32)
#include <aloft/detail/base/windows_error.hpp>
#endif

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

namespace aloft::inline ALOFT_ABI {

/// The code that a cancelled operation reports: compares equal to std::errc::operation_canceled.
[[nodiscard]] inline std::error_code canceled_error() noexcept {
    return std::make_error_code(std::errc::operation_canceled);
}

/// The operating system's error number as an error_code; on Windows that of GetLastError or
/// WSAGetLastError, in a category of the library's own, because std::system_category() does not tell
/// all of them.
[[nodiscard]] inline std::error_code system_error_code(int number) noexcept {
#if defined(_WIN32)
    return {number, detail::windows_errors()};
#else
    return {number, std::system_category()};
#endif
}

namespace detail {

/// The operating system's number for "cancelled", and for a call that was interrupted.
#if defined(_WIN32)
inline constexpr int canceled_number = 995;    // ERROR_OPERATION_ABORTED
inline constexpr int interrupted_number = 995; // a call is not interrupted otherwise
#else
inline constexpr int canceled_number = ECANCELED;
inline constexpr int interrupted_number = EINTR;
#endif

[[noreturn]] ALOFT_COLD inline void throw_errno(int number, const std::string& what) {
    throw_error(system_error_code(number), what);
}
[[noreturn]] ALOFT_COLD inline void throw_errno(int number, const char* what) {
    throw_error(system_error_code(number), what);
}

} // namespace detail
} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// The definitions of throw_error.hpp: inline, or, if ALOFT_SEPARATE is set, for one translation unit.
// Layer: L0 base
#pragma once

#include <aloft/detail/base/throw_error.hpp>

#include <string>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

[[noreturn]] ALOFT_COLD ALOFT_SEPARABLE void throw_error(std::error_code code,
                                                         const std::string& what) {
    throw std::system_error(code, what);
}

[[noreturn]] ALOFT_COLD ALOFT_SEPARABLE void throw_error(std::error_code code, const char* what) {
    throw_error(code, std::string(what));
}

[[noreturn]] ALOFT_COLD ALOFT_SEPARABLE void throw_error(std::error_code code, const char* who,
                                                         const char* what) {
    throw_error(code, std::string(who) + what);
}

} // namespace aloft::inline ALOFT_ABI::detail

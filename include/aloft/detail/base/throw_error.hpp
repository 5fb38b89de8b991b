// SPDX-License-Identifier: MIT
// Throws std::system_error: apart, so that nothing of it is compiled where it is called.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

#include <string>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

// Where they are inline, that is said where they are defined: frame_cache.hpp says why.

[[noreturn]] void throw_error(std::error_code code, const std::string& what);
[[noreturn]] void throw_error(std::error_code code, const char* what);

/// What is said is `who` and then `what`.
[[noreturn]] void throw_error(std::error_code code, const char* who, const char* what);

} // namespace aloft::inline ALOFT_ABI::detail

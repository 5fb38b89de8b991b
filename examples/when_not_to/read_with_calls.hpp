// SPDX-License-Identifier: MIT
// Reads a file by the calls of the operating system alone.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace when_not_to {

/// Errors: throws std::system_error.
[[nodiscard]] std::vector<std::byte> read_with_calls(const std::string& path);

} // namespace when_not_to

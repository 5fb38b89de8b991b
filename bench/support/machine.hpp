// SPDX-License-Identifier: MIT
// What the figures depend on: machine, kernel, compiler, backend, and what else is running.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bench {

/// Names and values, in the order in which to print them.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> describe_machine();

/// Lets this process have as many descriptors open as it may; connections need two each.
void raise_descriptor_limit() noexcept;

} // namespace bench

// SPDX-License-Identifier: MIT
// The runtime whose figures are taken; --backend and --threads choose it.
#pragma once

#include <aloft/runtime.hpp>
#include <aloft/runtime_options.hpp>

namespace bench {

/// To be changed before pool() is first called.
[[nodiscard]] aloft::runtime_options& pool_options();

/// Made on first use; ends with the program.
[[nodiscard]] aloft::runtime& pool();

} // namespace bench

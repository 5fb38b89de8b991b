// SPDX-License-Identifier: MIT
// The classes of work that with_priority and spawn know.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

namespace aloft::inline ALOFT_ABI {

/// How soon a worker that is free takes what is ready: high before normal before background.
enum class priority : unsigned char { high, normal, background };

} // namespace aloft::inline ALOFT_ABI

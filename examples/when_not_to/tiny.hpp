// SPDX-License-Identifier: MIT
// A function so small that whatever is done around it costs more.
#pragma once

#include <cstdint>

namespace when_not_to {

/// One step of a generator of random numbers: a few instructions.
/// It lives in a file of its own so that the compiler cannot merge ten million calls into one sum.
[[nodiscard]] std::uint64_t tiny(std::uint64_t value) noexcept;

} // namespace when_not_to

// SPDX-License-Identifier: MIT
#include "tiny.hpp"

namespace when_not_to {

std::uint64_t tiny(std::uint64_t value) noexcept {
    value ^= value << 13U;
    value ^= value >> 7U;
    value ^= value << 17U;
    return value;
}

} // namespace when_not_to

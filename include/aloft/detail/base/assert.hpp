// SPDX-License-Identifier: MIT
// Stops the program with a sentence when a rule that memory safety rests on is broken.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

#include <cstdio>
#include <cstdlib>

namespace aloft::inline ALOFT_ABI::detail {

/// Prints `sentence` and aborts. For misuse that would otherwise corrupt memory.
[[noreturn]] ALOFT_COLD inline void fail(const char* sentence) noexcept {
    std::fputs("aloft: ", stderr);
    std::fputs(sentence, stderr);
    std::fputc('\n', stderr);
    std::fflush(stderr);
    std::abort();
}

/// Checked in every build: each use is one predictable branch on a path that does much more.
inline void require(bool holds, const char* sentence) noexcept {
    if (!holds) [[unlikely]] {
        fail(sentence);
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// A coroutine frame that nobody uses, and the sizes that are recycled.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

#include <cstddef>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

inline constexpr std::size_t frame_class_bytes = 16; // the alignment of operator new
inline constexpr std::size_t frame_classes = 64;     // frames of up to 1 KiB are recycled
inline constexpr std::uint32_t frame_batch = 64;

struct free_frame {
    free_frame* next;
    union {
        std::size_t depth;      // it and those behind it, except where it is the
        free_frame* next_batch; // first frame of a batch in the depot
    };
};

} // namespace aloft::inline ALOFT_ABI::detail

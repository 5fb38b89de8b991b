// SPDX-License-Identifier: MIT
// A heavy filter on a grey picture, as a plain function that knows nothing of tasks or threads.
#pragma once

#include <cstdint>
#include <vector>

namespace cpu_parallel {

/// One byte per pixel, row after row.
struct picture {
    int size = 0; ///< width and height
    std::vector<std::uint8_t> pixels;

    bool operator==(const picture&) const = default;
};

/// Noise that differs from seed to seed.
[[nodiscard]] picture make_picture(int size, unsigned seed);

/// Every pixel becomes the median of the 49 around it; pixels beyond the edge repeat the edge.
/// Computes in the first-level cache, so that several at once do not fight for memory.
[[nodiscard]] picture median_filter(const picture& original);

} // namespace cpu_parallel

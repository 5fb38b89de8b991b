// SPDX-License-Identifier: MIT
#include "filter.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <random>

namespace cpu_parallel {

namespace {

constexpr int radius = 3;
constexpr std::size_t window_size =
    static_cast<std::size_t>(2 * radius + 1) * static_cast<std::size_t>(2 * radius + 1);

std::size_t index_of(const picture& what, int x, int y) {
    const int column = std::clamp(x, 0, what.size - 1);
    const int row = std::clamp(y, 0, what.size - 1);
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(what.size) +
           static_cast<std::size_t>(column);
}

} // namespace

picture make_picture(int size, unsigned seed) {
    picture made;
    made.size = size;
    made.pixels.resize(static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
    std::minstd_rand noise{seed + 1};
    for (std::uint8_t& pixel : made.pixels) {
        pixel = static_cast<std::uint8_t>(noise() >> 8U);
    }
    return made;
}

picture median_filter(const picture& original) {
    picture filtered;
    filtered.size = original.size;
    filtered.pixels.resize(original.pixels.size());
    for (int y = 0; y < original.size; ++y) {
        for (int x = 0; x < original.size; ++x) {
            std::array<std::uint8_t, window_size> window{};
            auto next = window.begin();
            for (int row = y - radius; row <= y + radius; ++row) {
                for (int column = x - radius; column <= x + radius; ++column) {
                    *next++ = original.pixels[index_of(original, column, row)];
                }
            }
            const auto middle = window.begin() + window_size / 2;
            std::nth_element(window.begin(), middle, window.end());
            filtered.pixels[index_of(original, x, y)] = *middle;
        }
    }
    return filtered;
}

} // namespace cpu_parallel

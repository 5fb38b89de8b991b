// SPDX-License-Identifier: MIT
// Pipes that are full, and what comes out of pipes.
#pragma once

#include <aloft/pipe.hpp>
#include <aloft/runtime.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace test_support {

/// What a pipe holds when it is made, on every system.
inline constexpr std::size_t pipe_capacity = 65536;

/// The next write to it waits.
inline void fill(aloft::runtime& rt, const aloft::pipe_writer& writer) {
    const std::string block(pipe_capacity, 'f');
    (void)aloft::sync_wait(rt, writer.write_all(block));
}

/// The byte at a position of an endless stream that repeats nowhere soon.
[[nodiscard]] inline std::byte pipe_pattern(std::uint64_t position) {
    return static_cast<std::byte>((position * 0x9E3779B97F4A7C15u) >> 56);
}

/// Writes the beginning of that stream and closes the writer.
inline aloft::task<void> write_pattern(aloft::pipe_writer writer, std::uint64_t bytes,
                                       std::size_t block) {
    std::vector<std::byte> buffer(block);
    for (std::uint64_t done = 0; done < bytes;) {
        const std::size_t part =
            bytes - done < block ? static_cast<std::size_t>(bytes - done) : block;
        for (std::size_t i = 0; i < part; ++i) {
            buffer[i] = pipe_pattern(done + i);
        }
        const std::span<const std::byte> filled = std::span(buffer).first(part);
        done += co_await writer.write_all(filled);
    }
    writer.close();
}

/// Gives how many bytes came until the end, or until the first wrong one.
inline aloft::task<std::uint64_t> read_pattern(const aloft::pipe_reader& reader,
                                               std::size_t block) {
    std::vector<std::byte> buffer(block);
    std::uint64_t done = 0;
    for (;;) {
        const std::size_t got = co_await reader.read_some(std::span(buffer));
        if (got == 0) {
            co_return done;
        }
        for (std::size_t i = 0; i < got; ++i, ++done) {
            if (buffer[i] != pipe_pattern(done)) {
                co_return done;
            }
        }
    }
}

/// All that comes until the end.
inline aloft::task<std::string> read_text(const aloft::pipe_reader& reader) {
    std::string text;
    std::array<char, 4096> buffer{};
    for (;;) {
        const std::size_t got = co_await reader.read_some(std::span(buffer));
        if (got == 0) {
            co_return text;
        }
        text.append(buffer.data(), got);
    }
}

} // namespace test_support

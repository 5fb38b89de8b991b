// SPDX-License-Identifier: MIT
// What every stream of bytes offers on top of read_some and write_some over std::byte.
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/io_awaitable.hpp>
#include <aloft/error.hpp>
#include <aloft/task.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace aloft::inline ALOFT_ABI::detail {

/// Contiguous characters that are not a string: std::vector<char>, std::array<char, N>, a span.
template <class Range>
concept character_range = std::convertible_to<const Range&, std::span<const char>> &&
                          !std::convertible_to<const Range&, std::string_view>;

template <class Range>
[[nodiscard]] std::span<const std::byte> bytes_of(const Range& characters) noexcept {
    return std::as_bytes(std::span<const char>(characters));
}

/// A transfer's length as the kernel takes it: one operation moves at most this much.
[[nodiscard]] inline std::uint32_t transfer_length(std::size_t bytes) noexcept {
    constexpr std::size_t most = 0x7ffff000; // the most that Linux transfers in one call
    return static_cast<std::uint32_t>(bytes < most ? bytes : most);
}

template <class Stream>
task<std::size_t> read_exactly(Stream& stream, std::span<std::byte> buffer) {
    std::size_t done = 0;
    while (done < buffer.size()) {
        const std::size_t got = co_await stream.read_some(buffer.subspan(done));
        if (got == 0) {
            throw_error(std::make_error_code(std::errc::message_size),
                        "read_exact: the stream ended after " + std::to_string(done) + " of " +
                            std::to_string(buffer.size()) + " bytes");
        }
        done += got;
    }
    co_return done;
}

template <class Stream>
task<std::size_t> write_everything(Stream& stream, std::span<const std::byte> buffer) {
    std::size_t done = 0;
    while (done < buffer.size()) {
        const std::size_t put = co_await stream.write_some(buffer.subspan(done));
        if (put == 0) {
            throw_error(std::make_error_code(std::errc::io_error),
                        "write_all: nothing more was taken after " + std::to_string(done) + " of " +
                            std::to_string(buffer.size()) + " bytes");
        }
        done += put;
    }
    co_return done;
}

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// The descriptions of reading from a pipe and of writing to it.
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/byte_stream.hpp>
#if defined(_WIN32)
#include <aloft/detail/reactor/iocp_calls.hpp>
#endif

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace aloft::inline ALOFT_ABI::detail {

/// What the platform wants to know besides.
inline void mark_as_pipe(operation& op) noexcept {
#if defined(_WIN32)
    op.flags = pipe_transfer;
    op.offset = 0; // nothing else is allowed
#else
    op.offset = current_position;
#endif
}

#if defined(_WIN32)
/// One write takes no more than a pipe holds: it ends when all of it is taken.
inline constexpr std::size_t most_written_at_once = pipe_bytes;
#else
inline constexpr std::size_t most_written_at_once = static_cast<std::size_t>(-1);
#endif

class pipe_read_request {
public:
    using value_type = std::size_t;

    pipe_read_request(int fd, std::span<std::byte> buffer) noexcept : fd_(fd), buffer_(buffer) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::read;
        op.fd = fd_;
        op.address = buffer_.data();
        op.length = transfer_length(buffer_.size());
        mark_as_pipe(op);
        return 0;
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const { return "read from pipe " + std::to_string(fd_); }

private:
    int fd_;
    std::span<std::byte> buffer_;
};

class pipe_write_request {
public:
    using value_type = std::size_t;

    pipe_write_request(int fd, std::span<const std::byte> buffer) noexcept
        : fd_(fd), buffer_(buffer) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::write;
        op.fd = fd_;
        op.address = const_cast<std::byte*>(buffer_.data()); // only read
        op.length = transfer_length(buffer_.size() < most_written_at_once ? buffer_.size()
                                                                          : most_written_at_once);
        mark_as_pipe(op);
        return 0;
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const { return "write to pipe " + std::to_string(fd_); }

private:
    int fd_;
    std::span<const std::byte> buffer_;
};

} // namespace aloft::inline ALOFT_ABI::detail

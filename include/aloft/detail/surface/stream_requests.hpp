// SPDX-License-Identifier: MIT
// The descriptions of receiving from a connected socket and of sending to it.
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/byte_stream.hpp>

#if !defined(_WIN32)
#include <sys/socket.h>
#endif

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace aloft::inline ALOFT_ABI::detail {

#if defined(_WIN32)
inline constexpr std::uint32_t flags_of_send = 0;
#else
inline constexpr std::uint32_t flags_of_send = MSG_NOSIGNAL; // a broken connection is an error
#endif

class receive_request {
public:
    using value_type = std::size_t;

    receive_request(int fd, std::span<std::byte> buffer) noexcept : fd_(fd), buffer_(buffer) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::receive;
        op.fd = fd_;
        op.address = buffer_.data();
        op.length = transfer_length(buffer_.size());
        return 0;
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const { return "receive on socket " + std::to_string(fd_); }

private:
    int fd_;
    std::span<std::byte> buffer_;
};

class send_request {
public:
    using value_type = std::size_t;

    send_request(int fd, std::span<const std::byte> buffer) noexcept : fd_(fd), buffer_(buffer) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::send;
        op.fd = fd_;
        op.address = const_cast<std::byte*>(buffer_.data()); // only read
        op.length = transfer_length(buffer_.size());
        op.flags = flags_of_send;
        return 0;
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const { return "send on socket " + std::to_string(fd_); }

private:
    int fd_;
    std::span<const std::byte> buffer_;
};

} // namespace aloft::inline ALOFT_ABI::detail

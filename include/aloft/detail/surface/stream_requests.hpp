// SPDX-License-Identifier: MIT
// The descriptions of receiving from a connected socket and of sending to it.
// Layer: L4 surface
#pragma once

#include <aloft/detail/base/scalar.hpp>
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

    receive_request(int fd, std::span<std::byte> buffer) noexcept
        : fd_(fd), data_(buffer.data()), size_(buffer.size()) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::receive;
        op.fd = fd_;
        op.address = data_;
        op.length = transfer_length(size_);
        return 0;
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const {
        return "receive on socket " + std::to_string(static_cast<int>(fd_));
    }

private:
    scalar<int> fd_;
    scalar<std::byte*> data_;
    scalar<std::size_t> size_;
};

class send_request {
public:
    using value_type = std::size_t;

    send_request(int fd, std::span<const std::byte> buffer) noexcept
        : fd_(fd), data_(buffer.data()), size_(buffer.size()) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::send;
        op.fd = fd_;
        op.address = const_cast<std::byte*>(static_cast<const std::byte*>(data_)); // only read
        op.length = transfer_length(size_);
        op.flags = flags_of_send;
        return 0;
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const {
        return "send on socket " + std::to_string(static_cast<int>(fd_));
    }

private:
    scalar<int> fd_;
    scalar<const std::byte*> data_;
    scalar<std::size_t> size_;
};

} // namespace aloft::inline ALOFT_ABI::detail

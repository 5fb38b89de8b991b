// SPDX-License-Identifier: MIT
// The descriptions of receiving one datagram and of sending one.
// Layer: L4 surface
#pragma once

#include <aloft/detail/reactor/datagram.hpp>
#include <aloft/detail/surface/byte_stream.hpp>
#include <aloft/detail/surface/stream_requests.hpp>
#include <aloft/error.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

#if defined(_WIN32)

inline constexpr std::int32_t datagram_was_cut = -WSAEMSGSIZE;

/// Windows says that the connection was reset where nobody is at the port.
[[nodiscard]] inline std::error_code true_datagram_error(std::error_code code) {
    return code == std::errc::connection_reset ? system_error_code(WSAECONNREFUSED) : code;
}

#else

inline constexpr std::int32_t datagram_was_cut = -EMSGSIZE;

[[nodiscard]] inline std::error_code true_datagram_error(std::error_code code) {
    return code;
}

#endif

/// What both directions have in common.
class datagram_request {
public:
    explicit datagram_request(int fd) noexcept : fd_(fd) {}

    [[nodiscard]] std::error_code refine(std::error_code code) const {
        return true_datagram_error(code);
    }

protected:
    int begin(operation& op, operation_kind kind) noexcept {
        op.kind = kind;
        op.fd = fd_;
        op.address = &message_;
        op.length = static_cast<std::uint32_t>(message_.size());
        return 0;
    }
    [[nodiscard]] std::string name(const char* what) const { return what + std::to_string(fd_); }

    datagram_message message_;

private:
    int fd_;
};

/// Its subclasses say what they give.
class receive_datagram_request : public datagram_request {
public:
    receive_datagram_request(int fd, std::span<std::byte> buffer) noexcept
        : datagram_request(fd), buffer_(buffer) {}

    int prepare(operation& op) noexcept {
        message_.expect(buffer_.data(), transfer_length(buffer_.size()));
        return begin(op, operation_kind::receive_message);
    }
    [[nodiscard]] std::string name() const {
        return datagram_request::name("receive a datagram on socket ");
    }

private:
    std::span<std::byte> buffer_;
};

class send_datagram_request : public datagram_request {
public:
    using value_type = std::size_t;

    /// `peer` is none for whom the socket is connected to.
    send_datagram_request(int fd, std::span<const std::byte> bytes, const raw_endpoint& peer,
                          bool has_peer) noexcept
        : datagram_request(fd), bytes_(bytes), peer_(peer), has_peer_(has_peer) {}

    int prepare(operation& op) noexcept {
        message_.aim(bytes_.data(), transfer_length(bytes_.size()), has_peer_ ? &peer_ : nullptr);
        op.flags = flags_of_send;
        return begin(op, operation_kind::send_message);
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const {
        return datagram_request::name("send a datagram on socket ");
    }

private:
    std::span<const std::byte> bytes_;
    raw_endpoint peer_;
    bool has_peer_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// endpoint: an IPv4 or IPv6 address and a port.
// Layer: L4 surface
#pragma once

#include <aloft/detail/reactor/socket_address.hpp>

#if !ALOFT_SEPARATE
#include <aloft/detail/surface/posix_address.hpp>
#endif

#include <cstdint>
#include <string>
#include <string_view>

namespace aloft::inline ALOFT_ABI {
namespace detail {

[[nodiscard]] ALOFT_SEPARABLE raw_endpoint parse_address(std::string_view text, std::uint16_t port);
[[nodiscard]] ALOFT_SEPARABLE raw_endpoint parse_endpoint(std::string_view text);
[[nodiscard]] ALOFT_SEPARABLE std::string format_address(const raw_endpoint& raw);

} // namespace detail

/// Purpose: one end of a TCP or UDP conversation; a plain value, comparable.
/// Thread safety: that of an int. Lifetime: owns everything.
/// Errors: construction from text throws std::system_error(std::errc::invalid_argument) that quotes
/// the text; names are not looked up here, see resolve(). Cost: 28 bytes, no allocation.
class endpoint {
public:
    /// 0.0.0.0, port 0.
    endpoint() noexcept = default;

    /// A numeric address, "127.0.0.1", "::1" or "fe80::1%eth0", and a port.
    endpoint(std::string_view address, std::uint16_t port)
        : raw_(detail::parse_address(address, port)) {}

    explicit endpoint(const detail::raw_endpoint& raw) noexcept : raw_(raw) {}

    /// 127.0.0.1 with a port; 0 lets bind choose one.
    [[nodiscard]] static endpoint loopback(std::uint16_t port) { return {"127.0.0.1", port}; }

    /// All addresses of this machine, IPv4.
    [[nodiscard]] static endpoint any(std::uint16_t port) { return {"0.0.0.0", port}; }

    /// "1.2.3.4:80" or "[::1]:80".
    [[nodiscard]] static endpoint parse(std::string_view text) {
        return endpoint(detail::parse_endpoint(text));
    }

    [[nodiscard]] bool is_v6() const noexcept { return raw_.v6; }
    [[nodiscard]] std::uint16_t port() const noexcept { return raw_.port; }

    /// The address without the port.
    [[nodiscard]] std::string address() const { return detail::format_address(raw_); }

    /// What parse() reads.
    [[nodiscard]] std::string to_string() const {
        const std::string host = address();
        return (raw_.v6 ? "[" + host + "]:" : host + ":") + std::to_string(raw_.port);
    }

    [[nodiscard]] const detail::raw_endpoint& raw() const noexcept { return raw_; }

    friend bool operator==(const endpoint&, const endpoint&) noexcept = default;

private:
    detail::raw_endpoint raw_;
};

} // namespace aloft::inline ALOFT_ABI

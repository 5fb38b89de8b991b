// SPDX-License-Identifier: MIT
// Internet addresses between our plain form and sockaddr.
// Layer: L2 reactor
#pragma once

#include <aloft/config.hpp>

#if defined(_WIN32)
#include <aloft/detail/reactor/windows_handle.hpp>
#else
#include <netinet/in.h>
#include <sys/socket.h>
#endif

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>

namespace aloft::inline ALOFT_ABI::detail {

enum class transport_kind : unsigned char { tcp, udp };

/// An address in network byte order; IPv4 uses the first four bytes.
struct raw_endpoint {
    std::array<unsigned char, 16> bytes{};
    std::uint32_t scope = 0;
    std::uint16_t port = 0;
    bool v6 = false;

    friend auto operator<=>(const raw_endpoint&, const raw_endpoint&) noexcept = default;
};

/// sockaddr storage with its length.
struct socket_address {
    sockaddr_storage storage{};
    socklen_t length = sizeof(sockaddr_storage);

    [[nodiscard]] sockaddr* data() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    [[nodiscard]] const sockaddr* data() const noexcept {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
};

[[nodiscard]] inline socket_address to_socket_address(const raw_endpoint& raw) noexcept {
    socket_address made;
    if (raw.v6) {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(raw.port);
        in.sin6_scope_id = raw.scope;
        std::memcpy(&in.sin6_addr, raw.bytes.data(), 16);
        std::memcpy(&made.storage, &in, sizeof in);
        made.length = sizeof in;
    } else {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(raw.port);
        std::memcpy(&in.sin_addr, raw.bytes.data(), 4);
        std::memcpy(&made.storage, &in, sizeof in);
        made.length = sizeof in;
    }
    return made;
}

/// Families other than IPv4 and IPv6 give the default endpoint.
[[nodiscard]] inline raw_endpoint from_socket_address(const sockaddr* address) noexcept {
    raw_endpoint made;
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, address, sizeof in);
        made.v6 = true;
        made.port = ntohs(in.sin6_port);
        made.scope = in.sin6_scope_id;
        std::memcpy(made.bytes.data(), &in.sin6_addr, 16);
    } else if (address->sa_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, address, sizeof in);
        made.port = ntohs(in.sin_port);
        std::memcpy(made.bytes.data(), &in.sin_addr, 4);
    }
    return made;
}

} // namespace aloft::inline ALOFT_ABI::detail

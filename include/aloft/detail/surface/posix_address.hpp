// SPDX-License-Identifier: MIT
// Addresses, for POSIX and for Windows, whose calls agree in this: between text, our plain form, and sockaddr.
// Layer: L4 surface
#pragma once

#include <aloft/error.hpp>

#if defined(_WIN32)
#include <aloft/detail/reactor/windows_handle.hpp>
#else
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

/// An address in network byte order; IPv4 uses the first four bytes.
struct raw_endpoint {
    std::array<unsigned char, 16> bytes{};
    std::uint32_t scope = 0;
    std::uint16_t port = 0;
    bool v6 = false;

    friend bool operator==(const raw_endpoint&, const raw_endpoint&) noexcept = default;
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

/// The number of a network interface by its name; 0: there is none, or names are not offered.
[[nodiscard]] inline std::uint32_t zone_by_name([[maybe_unused]] const char* name) noexcept {
#if defined(_WIN32)
    return 0;
#else
    return ::if_nametoindex(name);
#endif
}

[[noreturn]] inline void bad_address(std::string_view text) {
    throw_error(std::make_error_code(std::errc::invalid_argument),
                "endpoint: \"" + std::string(text) + "\" is not a numeric address");
}

[[nodiscard]] inline raw_endpoint parse_address(std::string_view text, std::uint16_t port) {
    raw_endpoint made;
    made.port = port;
    std::string host(text);
    if (host.find('\0') != std::string::npos) {
        bad_address(text);
    }
    if (::inet_pton(AF_INET, host.c_str(), made.bytes.data()) == 1) {
        return made;
    }
    if (const std::size_t percent = host.find('%'); percent != std::string::npos) {
        const std::string zone = host.substr(percent + 1);
        host.resize(percent);
        made.scope = zone_by_name(zone.c_str());
        if (made.scope == 0) {
            const auto [end, error] =
                std::from_chars(zone.data(), zone.data() + zone.size(), made.scope);
            if (error != std::errc{} || end != zone.data() + zone.size()) {
                bad_address(text);
            }
        }
    }
    if (::inet_pton(AF_INET6, host.c_str(), made.bytes.data()) != 1) {
        bad_address(text);
    }
    made.v6 = true;
    return made;
}

[[nodiscard]] inline raw_endpoint parse_endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    std::uint16_t port = 0;
    if (colon == std::string_view::npos) {
        bad_address(text);
    }
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, port);
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (error != std::errc{} || stopped != end ||
        (!bracketed && host.find(':') != std::string_view::npos)) {
        bad_address(text);
    }
    return parse_address(bracketed ? host.substr(1, host.size() - 2) : host, port);
}

[[nodiscard]] inline std::string format_address(const raw_endpoint& raw) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(raw.v6 ? AF_INET6 : AF_INET, raw.bytes.data(), text.data(), text.size());
    std::string made = text.data();
    if (raw.scope != 0) {
        made += "%" + std::to_string(raw.scope);
    }
    return made;
}

} // namespace aloft::inline ALOFT_ABI::detail

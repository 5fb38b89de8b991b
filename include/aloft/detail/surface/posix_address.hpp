// SPDX-License-Identifier: MIT
// Addresses, for POSIX and for Windows, whose calls agree in this: between text and our plain form. The
// definitions of what endpoint.hpp uses: inline, or, if ALOFT_SEPARATE is set, for one translation unit.
// Layer: L4 surface
#pragma once

#include <aloft/detail/reactor/socket_address.hpp>
#include <aloft/error.hpp>

#if !defined(_WIN32)
#include <arpa/inet.h>
#include <net/if.h>
#endif

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

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

[[nodiscard]] ALOFT_SEPARABLE raw_endpoint parse_address(std::string_view text,
                                                         std::uint16_t port) {
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

[[nodiscard]] ALOFT_SEPARABLE raw_endpoint parse_endpoint(std::string_view text) {
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

[[nodiscard]] ALOFT_SEPARABLE std::string format_address(const raw_endpoint& raw) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(raw.v6 ? AF_INET6 : AF_INET, raw.bytes.data(), text.data(), text.size());
    std::string made = text.data();
    if (raw.scope != 0) {
        made += "%" + std::to_string(raw.scope);
    }
    return made;
}

} // namespace aloft::inline ALOFT_ABI::detail

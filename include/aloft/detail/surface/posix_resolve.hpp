// SPDX-License-Identifier: MIT
// getaddrinfo: the call itself, and its errors as an error_category. The definitions of what resolve.hpp
// uses: inline, or, if ALOFT_SEPARATE is set, for one translation unit.
// Layer: L4 surface
#pragma once

#include <aloft/detail/reactor/socket_address.hpp>
#include <aloft/error.hpp>

#if defined(_WIN32)
#include <aloft/detail/reactor/windows_handle.hpp>
#else
#include <netdb.h>

#include <cerrno>
#endif
#include <string>
#include <system_error>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

class resolve_error_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "resolve"; }
    [[nodiscard]] std::string message(int code) const override {
#if defined(_WIN32)
        return std::system_category().message(code);
#else
        return ::gai_strerror(code);
#endif
    }
};

[[nodiscard]] ALOFT_SEPARABLE const std::error_category& resolve_errors() noexcept {
    static const resolve_error_category category;
    return category;
}

/// What getaddrinfo gave.
struct address_list {
    addrinfo* first;
    ~address_list() { ::freeaddrinfo(first); }
};

[[nodiscard]] ALOFT_SEPARABLE std::error_code look_up(const std::string& host,
                                                      const std::string& service, bool numeric,
                                                      std::vector<raw_endpoint>& found) {
#if defined(_WIN32)
    start_winsock();
#endif
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = numeric ? AI_NUMERICHOST | AI_NUMERICSERV : AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const int failed = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                     service.empty() ? nullptr : service.c_str(), &hints, &list);
#if !defined(_WIN32)
    if (failed == EAI_SYSTEM) {
        return system_error_code(errno);
    }
#endif
    if (failed != 0) {
        return {failed, resolve_errors()};
    }
    const address_list owner{list};
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
        if (each->ai_family == AF_INET || each->ai_family == AF_INET6) {
            found.push_back(from_socket_address(each->ai_addr));
        }
    }
    return found.empty() ? std::error_code(EAI_NONAME, resolve_errors()) : std::error_code();
}

} // namespace aloft::inline ALOFT_ABI::detail

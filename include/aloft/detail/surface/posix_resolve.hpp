// SPDX-License-Identifier: MIT
// getaddrinfo: the call itself, its errors as an error_category, and the definitions of resolve.hpp.
// Layer: L4 surface
#pragma once

#include <aloft/detail/reactor/socket_address.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/error.hpp>
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/task.hpp>

#if defined(_WIN32)
#include <aloft/detail/reactor/windows_handle.hpp>
#else
#include <netdb.h>

#include <cerrno>
#endif
#include <string>
#include <system_error>
#include <vector>

namespace aloft::inline ALOFT_ABI {
namespace detail {

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

[[nodiscard]] inline const std::error_category& resolve_errors() noexcept {
    static const resolve_error_category category;
    return category;
}

/// What getaddrinfo gave.
struct address_list {
    addrinfo* first;
    ~address_list() { ::freeaddrinfo(first); }
};

/// Blocks, unless `numeric` is set. Stream addresses in the order of the system's preference.
[[nodiscard]] inline std::error_code look_up(const std::string& host, const std::string& service,
                                             bool numeric, std::vector<raw_endpoint>& found) {
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

/// No lambda, because the type of one has no linkage in a function that is not inline.
struct slow_look_up {
    const std::string& host;
    const std::string& service;
    std::vector<raw_endpoint>& found;

    [[nodiscard]] std::error_code operator()() const {
        return look_up(host, service, false, found);
    }
};

} // namespace detail

[[nodiscard]] ALOFT_SEPARABLE const std::error_category& resolve_category() noexcept {
    return detail::resolve_errors();
}

[[nodiscard]] ALOFT_SEPARABLE task<std::vector<endpoint>> resolve(std::string host,
                                                                  std::string service) {
    std::vector<detail::raw_endpoint> found;
    if (detail::look_up(host, service, true, found)) {
        found.clear();
        const std::error_code error = co_await offload(detail::slow_look_up{host, service, found});
        if (error) {
            detail::throw_error(error, "resolve " + host + ":" + service);
        }
    }
    co_return std::vector<endpoint>(found.begin(), found.end());
}

} // namespace aloft::inline ALOFT_ABI

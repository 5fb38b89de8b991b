// SPDX-License-Identifier: MIT
// resolve: the addresses behind a host name.
// Layer: L4 surface
#pragma once

#include <aloft/detail/reactor/socket_address.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/task.hpp>

#if !ALOFT_SEPARATE
#include <aloft/detail/surface/posix_resolve.hpp>
#endif

#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI {
namespace detail {

[[nodiscard]] ALOFT_SEPARABLE const std::error_category& resolve_errors() noexcept;

/// Blocks, unless `numeric` is set. Stream addresses in the order of the system's preference.
[[nodiscard]] ALOFT_SEPARABLE std::error_code look_up(const std::string& host,
                                                      const std::string& service, bool numeric,
                                                      std::vector<raw_endpoint>& found);

} // namespace detail

/// The category of the resolver's own errors (EAI_*), such as an unknown host.
[[nodiscard]] inline const std::error_category& resolve_category() noexcept {
    return detail::resolve_errors();
}

/// Purpose: `co_await resolve("example.org", "https")` gives at least one endpoint, in the order in
/// which to try them. The service is a name or a number.
///
/// Thread safety: any thread. Lifetime: copies its arguments.
/// Errors: std::system_error in resolve_category() that names host and service.
/// Cancellation: std::errc::operation_canceled if it had not begun when the task was stopped or the
/// runtime ended; a look-up that runs is waited for.
/// Cost: numeric addresses are parsed at once; names go to the blocking pool (getaddrinfo).
[[nodiscard]] inline task<std::vector<endpoint>> resolve(std::string host, std::string service) {
    std::vector<detail::raw_endpoint> found;
    if (detail::look_up(host, service, true, found)) {
        found.clear();
        const std::error_code error = co_await offload(
            [&host, &service, &found] { return detail::look_up(host, service, false, found); });
        if (error) {
            detail::throw_error(error, "resolve " + host + ":" + service);
        }
    }
    co_return std::vector<endpoint>(found.begin(), found.end());
}

/// The same with a port number.
ALOFT_CORO_WRAPPER [[nodiscard]] inline task<std::vector<endpoint>> resolve(std::string host,
                                                                            std::uint16_t port) {
    return resolve(std::move(host), std::to_string(port));
}

} // namespace aloft::inline ALOFT_ABI

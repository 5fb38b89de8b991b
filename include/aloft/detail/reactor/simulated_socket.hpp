// SPDX-License-Identifier: MIT
// What programs do with every simulated socket, besides its operations.
// Layer: L2 reactor
#pragma once

#include <aloft/detail/reactor/simulated_object.hpp>
#include <aloft/detail/reactor/socket_address.hpp>

#include <cerrno>

namespace aloft::inline ALOFT_ABI::detail {

/// Calls give 0 or a negated error number.
class simulated_socket : public simulated_object {
public:
    [[nodiscard]] virtual int bind(const raw_endpoint& to) = 0;
    [[nodiscard]] virtual int listen(int) { return -EOPNOTSUPP; }
    [[nodiscard]] virtual int shut_down(int how) = 0;
    /// Connects without waiting, which only datagrams do.
    [[nodiscard]] virtual int connect_now(const raw_endpoint&) { return -EOPNOTSUPP; }
    [[nodiscard]] const raw_endpoint& local() const noexcept { return local_; }
    /// nullptr: none.
    [[nodiscard]] virtual const raw_endpoint* remote() const noexcept = 0;

protected:
    raw_endpoint local_;
};

} // namespace aloft::inline ALOFT_ABI::detail

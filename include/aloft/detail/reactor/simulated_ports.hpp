// SPDX-License-Identifier: MIT
// Which simulated socket is at which address, and which ports are free.
// Layer: L2 reactor
#pragma once

#include <aloft/detail/base/lean_shared_memory.hpp>
#include <aloft/detail/reactor/socket_address.hpp>

#include <cerrno>
#include <cstdint>
#include <map>

namespace aloft::inline ALOFT_ABI::detail {

/// Of one protocol. Sockets are referred to, not owned.
template <class Socket>
class simulated_ports {
public:
    [[nodiscard]] std::uint16_t free_port() noexcept {
        next_ = next_ == 65535 ? std::uint16_t{32768} : static_cast<std::uint16_t>(next_ + 1);
        return next_;
    }

    /// What a socket of that `local` address without a port is bound to if its program asks for `wanted`:
    /// 0, and then `local` is that, or a negated error number.
    [[nodiscard]] int choose(raw_endpoint& local, const raw_endpoint& wanted) noexcept {
        if (wanted.v6 != local.v6) {
            return -EAFNOSUPPORT;
        }
        if (local.port != 0) {
            return -EINVAL;
        }
        if (wanted.port != 0 && at(wanted) != nullptr) {
            return -EADDRINUSE;
        }
        local = wanted;
        if (wanted.port == 0) {
            local.port = free_port();
        }
        return 0;
    }

    void take(const raw_endpoint& local, std::weak_ptr<Socket> by) {
        taken_[local] = std::move(by);
    }
    void give_back(const raw_endpoint& local) { taken_.erase(local); }

    [[nodiscard]] std::shared_ptr<Socket> at(const raw_endpoint& local) const {
        const auto found = taken_.find(local);
        return found == taken_.end() ? nullptr : found->second.lock();
    }

    /// Who is at that address, or at the port of all addresses.
    [[nodiscard]] std::shared_ptr<Socket> reached_by(const raw_endpoint& remote) const {
        if (std::shared_ptr<Socket> found = at(remote)) {
            return found;
        }
        raw_endpoint any;
        any.v6 = remote.v6;
        any.port = remote.port;
        return at(any);
    }

private:
    std::map<raw_endpoint, std::weak_ptr<Socket>> taken_;
    std::uint16_t next_ = 32767;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// Datagram sockets: making them, and their options.
// Layer: L4 surface
#pragma once

#if defined(_WIN32)
#include <aloft/detail/surface/windows_socket.hpp>
#else
#include <aloft/detail/surface/posix_socket.hpp>
#endif

#include <cstring>
#include <string>

namespace aloft::inline ALOFT_ABI::detail {

[[nodiscard]] inline descriptor bind_udp(const raw_endpoint& local, bool shared,
                                         const std::string& name) {
    descriptor socket(call_socket(transport_kind::udp, local.v6));
    if (!socket.valid()) {
        throw_socket_error("bind " + name + ": socket");
    }
    if (shared) {
        set_socket_flag(socket.get(), SOL_SOCKET, SO_REUSEADDR, true, "bind: SO_REUSEADDR");
    }
    tell_of_unreachable(socket.get(), false);
    const socket_address address = to_socket_address(local);
    if (call_bind(socket.get(), address.data(), address.length) != 0) {
        throw_socket_error("bind " + name);
    }
    return socket;
}

inline void connect_udp(int fd, const raw_endpoint& remote, const std::string& name) {
    const socket_address address = to_socket_address(remote);
    if (call_connect_now(fd, address.data(), address.length) != 0) {
        throw_socket_error("connect to " + name);
    }
    tell_of_unreachable(fd, true);
}

/// Joins or leaves on the interface that the system chooses, or the one of the address's scope.
inline void change_membership(int fd, const raw_endpoint& group, bool join,
                              const std::string& what) {
    int answer = 0;
    if (group.v6) {
        ipv6_mreq wish{};
        std::memcpy(&wish.ipv6mr_multiaddr, group.bytes.data(), sizeof wish.ipv6mr_multiaddr);
        wish.ipv6mr_interface = group.scope;
        answer = call_setsockopt(fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &wish,
                                 sizeof wish);
    } else {
        ip_mreq wish{};
        std::memcpy(&wish.imr_multiaddr, group.bytes.data(), sizeof wish.imr_multiaddr);
        answer = call_setsockopt(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
                                 &wish, sizeof wish);
    }
    if (answer != 0) {
        throw_socket_error(what);
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

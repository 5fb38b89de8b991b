// SPDX-License-Identifier: MIT
// Sockets for POSIX: making them, and the descriptions of their operations.
// Layer: L4 surface
#pragma once

#include <aloft/detail/reactor/posix_calls.hpp>
#include <aloft/detail/reactor/socket_address.hpp>
#include <aloft/detail/surface/byte_stream.hpp>
#include <aloft/detail/surface/descriptor.hpp>
#include <aloft/detail/surface/stream_requests.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

[[noreturn]] inline void throw_socket_error(const std::string& what) {
    throw_errno(errno, what);
}

/// Sockets stay in blocking mode: the ring waits for readiness itself, and would hand EAGAIN out
/// for non-blocking ones.
[[nodiscard]] inline descriptor open_tcp_socket(bool v6) {
    return descriptor(call_socket(transport_kind::tcp, v6));
}

[[nodiscard]] inline descriptor listen_tcp(const raw_endpoint& local, int backlog,
                                           const std::string& name) {
    descriptor socket = open_tcp_socket(local.v6);
    if (!socket.valid()) {
        throw_socket_error("listen on " + name + ": socket");
    }
    const int yes = 1;
    (void)call_setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const socket_address address = to_socket_address(local);
    if (call_bind(socket.get(), address.data(), address.length) != 0) {
        throw_socket_error("listen on " + name + ": bind");
    }
    if (call_listen(socket.get(), backlog) != 0) {
        throw_socket_error("listen on " + name);
    }
    return socket;
}

[[nodiscard]] inline raw_endpoint local_address(int fd) {
    socket_address address;
    if (call_getsockname(fd, address.data(), &address.length) != 0) {
        throw_socket_error("local_endpoint: getsockname");
    }
    return from_socket_address(address.data());
}

[[nodiscard]] inline raw_endpoint remote_address(int fd) {
    socket_address address;
    if (call_getpeername(fd, address.data(), &address.length) != 0) {
        throw_socket_error("remote_endpoint: getpeername");
    }
    return from_socket_address(address.data());
}

inline void set_socket_flag(int fd, int level, int option, bool on, const char* name) {
    const int value = on ? 1 : 0;
    if (call_setsockopt(fd, level, option, &value, sizeof value) != 0) {
        throw_socket_error(name);
    }
}

inline void set_no_delay(int fd, bool on) {
    set_socket_flag(fd, IPPROTO_TCP, TCP_NODELAY, on, "tcp_stream::set_no_delay");
}

/// That an earlier datagram has found nobody is told to connected sockets only, as it is.
inline void tell_of_unreachable(int, bool) noexcept {}

inline void shut_down(int fd, bool reading, bool writing) noexcept {
    call_shutdown(fd, reading && writing ? SHUT_RDWR : reading ? SHUT_RD : SHUT_WR);
}

/// Ends the accepts that wait, and those that come later.
inline void end_accepts(int fd) noexcept {
    call_shutdown(fd, SHUT_RDWR);
}

/// Gives a connected socket; the socket is closed if it fails or is abandoned.
class connect_request {
public:
    using value_type = descriptor;

    connect_request(const raw_endpoint& remote, std::string name)
        : v6_(remote.v6), address_(to_socket_address(remote)), name_(std::move(name)) {}

    int prepare(operation& op) noexcept {
        socket_ = open_tcp_socket(v6_);
        if (!socket_.valid()) {
            return errno;
        }
        op.kind = operation_kind::connect;
        op.fd = socket_.get();
        op.address = address_.data();
        op.offset = address_.length;
        return 0;
    }
    [[nodiscard]] descriptor finish(std::int32_t) noexcept { return std::move(socket_); }
    [[nodiscard]] std::string name() const { return "connect to " + name_; }

private:
    bool v6_;
    socket_address address_;
    std::string name_;
    descriptor socket_;
};

/// The operation of an accept.
class accept_call {
public:
    int prepare(operation& op, int listener, const std::atomic<bool>&) const noexcept {
        op.kind = operation_kind::accept;
        op.fd = listener;
        op.flags = SOCK_CLOEXEC;
        return 0;
    }
    [[nodiscard]] descriptor finish(std::int32_t fd) const noexcept { return descriptor(fd); }
};

} // namespace aloft::inline ALOFT_ABI::detail

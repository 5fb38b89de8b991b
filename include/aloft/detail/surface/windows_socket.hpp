// SPDX-License-Identifier: MIT
// Sockets for Windows: making them, and the descriptions of their operations.
// Layer: L4 surface
#pragma once

#if defined(_WIN32)

#include <aloft/detail/reactor/socket_address.hpp>
#include <aloft/detail/reactor/windows_calls.hpp>
#include <aloft/detail/surface/byte_stream.hpp>
#include <aloft/detail/surface/descriptor.hpp>
#include <aloft/detail/surface/stream_requests.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

[[noreturn]] inline void throw_socket_error(const std::string& what) {
    throw_errno(::WSAGetLastError(), what);
}

/// -1 in it: see WSAGetLastError.
[[nodiscard]] inline descriptor open_tcp_socket(bool v6) {
    return descriptor(call_socket(transport_kind::tcp, v6));
}

/// SO_REUSEADDR means something else here: it would let others take the address. A port whose former
/// connections linger can be bound without it.
[[nodiscard]] inline descriptor listen_tcp(const raw_endpoint& local, int backlog,
                                           const std::string& name) {
    descriptor socket = open_tcp_socket(local.v6);
    if (!socket.valid()) {
        throw_socket_error("listen on " + name + ": socket");
    }
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

/// Whether operations fail because an earlier datagram has found nobody. By default all do.
inline void tell_of_unreachable(int fd, bool on) noexcept {
    if (!is_simulated(fd)) {
        constexpr DWORD change_reset_reports = 0x9800000C; // SIO_UDP_CONNRESET; not in every header
        BOOL wanted = on ? TRUE : FALSE;
        DWORD bytes = 0;
        (void)::WSAIoctl(socket_of(fd), change_reset_reports, &wanted, sizeof wanted, nullptr, 0,
                         &bytes, nullptr, nullptr); // a system that refuses reports nothing
    }
}

inline void shut_down(int fd, bool reading, bool writing) noexcept {
    call_shutdown(fd, reading && writing ? SD_BOTH : reading ? SD_RECEIVE : SD_SEND);
}

inline void end_accepts(int fd) noexcept {
    call_end_accepts(fd);
}

/// Gives a connected socket; the socket is closed if it fails or is abandoned.
class connect_request {
public:
    using value_type = descriptor;

    connect_request(const raw_endpoint& remote, std::string name)
        : v6_(remote.v6), address_(to_socket_address(remote)), name_(std::move(name)) {}

    int prepare(operation& op) noexcept {
        socket_ = open_tcp_socket(v6_);
        raw_endpoint any;
        any.v6 = v6_;
        const socket_address local = to_socket_address(any);
        // ConnectEx wants a bound socket.
        if (!socket_.valid() || (!is_simulated(socket_.get()) &&
                                 call_bind(socket_.get(), local.data(), local.length) != 0)) {
            return ::WSAGetLastError();
        }
        op.kind = operation_kind::connect;
        op.fd = socket_.get();
        op.address = address_.data();
        op.offset = static_cast<std::uint64_t>(address_.length);
        return 0;
    }
    [[nodiscard]] descriptor finish(std::int32_t) noexcept {
        // Without it the socket does not know its own addresses, nor can it be shut down.
        (void)call_setsockopt(socket_.get(), SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, nullptr, 0);
        return std::move(socket_);
    }
    [[nodiscard]] std::string name() const { return "connect to " + name_; }

private:
    bool v6_;
    socket_address address_;
    std::string name_;
    descriptor socket_;
};

/// The operation of an accept: the socket to be connected is made before.
class accept_call {
public:
    int prepare(operation& op, int listener, const std::atomic<bool>& closed) noexcept {
        sockaddr_storage local{};
        socklen_t length = sizeof local;
        if (call_getsockname(listener, reinterpret_cast<sockaddr*>(&local), &length) != 0) {
            return ::WSAGetLastError();
        }
        socket_ = open_tcp_socket(local.ss_family == AF_INET6);
        if (!socket_.valid()) {
            return ::WSAGetLastError();
        }
        listener_ = listener;
        op.kind = operation_kind::accept;
        op.fd = listener;
        op.address = addresses_.data();
        op.length = address_room;
        op.second = reinterpret_cast<void*>(static_cast<std::intptr_t>(socket_.get()));
        op.offset = reinterpret_cast<std::uintptr_t>(&closed);
        return 0;
    }
    [[nodiscard]] descriptor finish(std::int32_t) noexcept {
        const SOCKET listener = socket_of(listener_);
        (void)call_setsockopt(socket_.get(), SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, &listener,
                              sizeof listener);
        return std::move(socket_);
    }

private:
    static constexpr std::size_t address_room =
        sizeof(sockaddr_in6) + 16; // AcceptEx demands the 16

    descriptor socket_;
    int listener_ = -1;
    std::array<char, 2 * address_room> addresses_{};
};

} // namespace aloft::inline ALOFT_ABI::detail

#endif

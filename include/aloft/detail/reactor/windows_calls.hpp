// SPDX-License-Identifier: MIT
// The calls that Windows' surface makes directly, answered by the machine or by a simulated world.
// Layer: L2 reactor
//
// Like those of Winsock, the functions give 0, or -1 and an error that WSAGetLastError tells.
#pragma once

#if defined(_WIN32)

#include <aloft/detail/reactor/simulated_calls.hpp>
#include <aloft/detail/reactor/windows_handle.hpp>
#include <aloft/detail/reactor/windows_pipe.hpp>
#include <aloft/detail/reactor/windows_simulation.hpp>

namespace aloft::inline ALOFT_ABI::detail {

[[nodiscard]] inline int simulated_answer(int result) noexcept {
    if (result < 0) {
        ::WSASetLastError(native_error(-result));
        return -1;
    }
    return result;
}

/// Not inherited by child processes. -1, or the number of a socket.
[[nodiscard]] inline int call_socket(transport_kind kind, bool v6) {
    if (simulated_calls* const world = simulated_here()) {
        return simulated_answer(world->open_socket(kind, v6));
    }
    start_winsock();
    const bool udp = kind == transport_kind::udp;
    return number_of_socket(::WSASocketW(v6 ? AF_INET6 : AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM,
                                         udp ? IPPROTO_UDP : IPPROTO_TCP, nullptr, 0,
                                         WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT));
}

[[nodiscard]] inline int call_bind(int fd, const sockaddr* address, socklen_t length) {
    if (is_simulated(fd)) {
        return simulated_answer(
            simulated_call([&](simulated_calls& world) { return world.bind_socket(fd, address); }));
    }
    return ::bind(socket_of(fd), address, length);
}

/// Not for what has to wait until it is connected.
[[nodiscard]] inline int call_connect_now(int fd, const sockaddr* address, socklen_t length) {
    if (is_simulated(fd)) {
        return simulated_answer(
            simulated_call([&](simulated_calls& world) { return world.connect_now(fd, address); }));
    }
    return ::connect(socket_of(fd), address, length);
}

[[nodiscard]] inline int call_listen(int fd, int backlog) {
    if (is_simulated(fd)) {
        return simulated_answer(
            simulated_call([&](simulated_calls& world) { return world.listen_on(fd, backlog); }));
    }
    return ::listen(socket_of(fd), backlog);
}

[[nodiscard]] inline int call_getsockname(int fd, sockaddr* address, socklen_t* length) {
    if (is_simulated(fd)) {
        return simulated_answer(simulated_call(
            [&](simulated_calls& world) { return world.name_of(fd, false, address, length); }));
    }
    return ::getsockname(socket_of(fd), address, length);
}

[[nodiscard]] inline int call_getpeername(int fd, sockaddr* address, socklen_t* length) {
    if (is_simulated(fd)) {
        return simulated_answer(simulated_call(
            [&](simulated_calls& world) { return world.name_of(fd, true, address, length); }));
    }
    return ::getpeername(socket_of(fd), address, length);
}

/// A simulated socket takes every option and heeds none.
[[nodiscard]] inline int call_setsockopt(int fd, int level, int option, const void* value,
                                         int bytes) {
    return is_simulated(fd)
               ? 0
               : ::setsockopt(socket_of(fd), level, option, static_cast<const char*>(value), bytes);
}

inline void call_shutdown(int fd, int how) {
    if (is_simulated(fd)) {
        (void)simulated_call([&](simulated_calls& world) { return world.shut_down(fd, how); });
    } else {
        (void)::shutdown(socket_of(fd), how);
    }
}

/// Ends the accepts that wait; those that begin later look at the listener's flag (iocp.hpp).
inline void call_end_accepts(int fd) {
    if (is_simulated(fd)) {
        call_shutdown(fd, SD_BOTH);
    } else {
        (void)::CancelIoEx(handle_of(fd), nullptr);
    }
}

/// `ends`: where to read, and where to write. Not inherited by child processes.
[[nodiscard]] inline int call_pipe(int (&ends)[2]) {
    if (simulated_calls* const world = simulated_here()) {
        return simulated_answer(world->open_pipe(ends[0], ends[1]));
    }
    return make_pipe(ends) ? 0 : -1;
}

inline void call_close(int fd) noexcept {
    if (!is_simulated(fd)) [[likely]] {
        (void)close_number(fd);
    } else if (simulated_calls* const world = simulated_here()) {
        world->close_descriptor(fd);
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

// SPDX-License-Identifier: MIT
// The system calls that POSIX's surface makes directly, answered by the machine or a simulated world.
// Layer: L2 reactor
//
// Like the calls that they stand for, the functions give -1 and set errno.
#pragma once

#include <aloft/detail/reactor/simulated_calls.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace aloft::inline ALOFT_ABI::detail {

[[nodiscard]] inline int simulated_answer(int result) noexcept {
    if (result < 0) {
        errno = -result;
        return -1;
    }
    return result;
}

[[nodiscard]] inline int call_socket(transport_kind kind, bool v6) {
    if (simulated_calls* const world = simulated_here()) {
        return simulated_answer(world->open_socket(kind, v6));
    }
    const int type = kind == transport_kind::udp ? SOCK_DGRAM : SOCK_STREAM;
    return ::socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
}

[[nodiscard]] inline int call_bind(int fd, const sockaddr* address, socklen_t length) {
    if (is_simulated(fd)) {
        return simulated_answer(
            simulated_call([&](simulated_calls& world) { return world.bind_socket(fd, address); }));
    }
    return ::bind(fd, address, length);
}

/// Not for what has to wait until it is connected.
[[nodiscard]] inline int call_connect_now(int fd, const sockaddr* address, socklen_t length) {
    if (is_simulated(fd)) {
        return simulated_answer(
            simulated_call([&](simulated_calls& world) { return world.connect_now(fd, address); }));
    }
    return ::connect(fd, address, length);
}

[[nodiscard]] inline int call_listen(int fd, int backlog) {
    if (is_simulated(fd)) {
        return simulated_answer(
            simulated_call([&](simulated_calls& world) { return world.listen_on(fd, backlog); }));
    }
    return ::listen(fd, backlog);
}

[[nodiscard]] inline int call_getsockname(int fd, sockaddr* address, socklen_t* length) {
    if (is_simulated(fd)) {
        return simulated_answer(simulated_call(
            [&](simulated_calls& world) { return world.name_of(fd, false, address, length); }));
    }
    return ::getsockname(fd, address, length);
}

[[nodiscard]] inline int call_getpeername(int fd, sockaddr* address, socklen_t* length) {
    if (is_simulated(fd)) {
        return simulated_answer(simulated_call(
            [&](simulated_calls& world) { return world.name_of(fd, true, address, length); }));
    }
    return ::getpeername(fd, address, length);
}

/// A simulated socket takes every option and heeds none.
[[nodiscard]] inline int call_setsockopt(int fd, int level, int option, const void* value,
                                         socklen_t bytes) {
    return is_simulated(fd) ? 0 : ::setsockopt(fd, level, option, value, bytes);
}

inline void call_shutdown(int fd, int how) {
    if (is_simulated(fd)) {
        (void)simulated_call([&](simulated_calls& world) { return world.shut_down(fd, how); });
    } else {
        (void)::shutdown(fd, how);
    }
}

/// `ends`: where to read, and where to write. Not inherited by child processes.
[[nodiscard]] inline int call_pipe(int (&ends)[2]) {
    if (simulated_calls* const world = simulated_here()) {
        return simulated_answer(world->open_pipe(ends[0], ends[1]));
    }
    return ::pipe2(ends, O_CLOEXEC);
}

inline void call_close(int fd) noexcept {
    if (!is_simulated(fd)) [[likely]] {
        (void)::close(fd);
    } else if (simulated_calls* const world = simulated_here()) {
        world->close_descriptor(fd);
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

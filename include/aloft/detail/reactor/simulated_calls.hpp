// SPDX-License-Identifier: MIT
// The system calls that the surface makes directly, answered by the machine or by a simulated world.
// Layer: L2 reactor
//
// 1. A simulated descriptor has a number that no kernel gives. So a descriptor is always taken to
//    where it came from, and one that outlives its world is simply gone.
// 2. Like the calls that they stand for, the functions give -1 and set errno.
#pragma once

#include <aloft/detail/coro/executor.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

struct operation;

/// Every simulated world is one.
class simulated_calls : public simulated_world {
public:
    static constexpr int first_descriptor = 1 << 30;

    // Each gives 0 or more, or a negated error number.
    [[nodiscard]] virtual int open_socket(bool v6) = 0;
    [[nodiscard]] virtual int bind_socket(int fd, const sockaddr* address) = 0;
    [[nodiscard]] virtual int listen_on(int fd, int backlog) = 0;
    [[nodiscard]] virtual int name_of(int fd, bool peer, sockaddr* address, socklen_t* length) = 0;
    [[nodiscard]] virtual int shut_down(int fd, int how) = 0;
    virtual void close_descriptor(int fd) = 0;
    /// What an operation on a descriptor that does not block gives: its result, or -EAGAIN, and then
    /// nothing has happened. Nothing is in flight afterwards. For libraries that make their own calls
    /// and only wait through poll().
    [[nodiscard]] virtual std::int32_t call_now(operation& op) = 0;

protected:
    ~simulated_calls() = default;
};

/// The world that the running task is simulated in, or nullptr.
[[nodiscard]] inline simulated_calls* simulated_here() noexcept {
    return static_cast<simulated_calls*>(world_of(current_environment()));
}

[[nodiscard]] inline bool is_simulated(int fd) noexcept {
    return fd >= simulated_calls::first_descriptor;
}

[[nodiscard]] inline int simulated_answer(int result) noexcept {
    if (result < 0) {
        errno = -result;
        return -1;
    }
    return result;
}

/// What `call` gives in the world that `fd` belongs to.
template <class Call>
[[nodiscard]] int simulated_call(Call call) {
    simulated_calls* const world = simulated_here();
    return simulated_answer(world == nullptr ? -EBADF : call(*world));
}

[[nodiscard]] inline int call_socket(bool v6) {
    if (simulated_calls* const world = simulated_here()) {
        return simulated_answer(world->open_socket(v6));
    }
    return ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

[[nodiscard]] inline int call_bind(int fd, const sockaddr* address, socklen_t length) {
    if (is_simulated(fd)) {
        return simulated_call(
            [&](simulated_calls& world) { return world.bind_socket(fd, address); });
    }
    return ::bind(fd, address, length);
}

[[nodiscard]] inline int call_listen(int fd, int backlog) {
    if (is_simulated(fd)) {
        return simulated_call([&](simulated_calls& world) { return world.listen_on(fd, backlog); });
    }
    return ::listen(fd, backlog);
}

[[nodiscard]] inline int call_getsockname(int fd, sockaddr* address, socklen_t* length) {
    if (is_simulated(fd)) {
        return simulated_call(
            [&](simulated_calls& world) { return world.name_of(fd, false, address, length); });
    }
    return ::getsockname(fd, address, length);
}

[[nodiscard]] inline int call_getpeername(int fd, sockaddr* address, socklen_t* length) {
    if (is_simulated(fd)) {
        return simulated_call(
            [&](simulated_calls& world) { return world.name_of(fd, true, address, length); });
    }
    return ::getpeername(fd, address, length);
}

/// A simulated socket takes every option and heeds none.
[[nodiscard]] inline int call_setsockopt(int fd, int level, int option, int value) {
    return is_simulated(fd) ? 0 : ::setsockopt(fd, level, option, &value, sizeof value);
}

inline void call_shutdown(int fd, int how) {
    if (is_simulated(fd)) {
        (void)simulated_call([&](simulated_calls& world) { return world.shut_down(fd, how); });
    } else {
        (void)::shutdown(fd, how);
    }
}

inline void call_close(int fd) noexcept {
    if (!is_simulated(fd)) [[likely]] {
        (void)::close(fd);
    } else if (simulated_calls* const world = simulated_here()) {
        world->close_descriptor(fd);
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

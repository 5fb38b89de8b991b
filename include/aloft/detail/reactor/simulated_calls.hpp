// SPDX-License-Identifier: MIT
// What a simulated world answers in place of the system calls that the surface makes directly.
// Layer: L2 reactor
//
// A simulated descriptor has a number that no kernel gives. So a descriptor is always taken to where
// it came from (posix_calls.hpp, windows_calls.hpp), and one that outlives its world is simply gone.
#pragma once

#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/reactor/socket_address.hpp>

#include <cerrno>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

struct operation;

/// Every simulated world is one.
class simulated_calls : public simulated_world {
public:
    static constexpr int first_descriptor = 1 << 30;

    // Each gives 0 or more, or a negated error number of <cerrno>.
    [[nodiscard]] virtual int open_socket(transport_kind kind, bool v6) = 0;
    [[nodiscard]] virtual int bind_socket(int fd, const sockaddr* address) = 0;
    [[nodiscard]] virtual int connect_now(int fd, const sockaddr* address) = 0;
    [[nodiscard]] virtual int listen_on(int fd, int backlog) = 0;
    [[nodiscard]] virtual int name_of(int fd, bool peer, sockaddr* address, socklen_t* length) = 0;
    [[nodiscard]] virtual int shut_down(int fd, int how) = 0;
    [[nodiscard]] virtual int open_pipe(int& reader, int& writer) = 0;
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

/// What `call` gives in the world that the running task is in: 0 or more, or a negated error number.
template <class Call>
[[nodiscard]] int simulated_call(Call call) {
    simulated_calls* const world = simulated_here();
    return world == nullptr ? -EBADF : call(*world);
}

} // namespace aloft::inline ALOFT_ABI::detail

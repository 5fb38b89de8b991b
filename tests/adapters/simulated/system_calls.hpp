// SPDX-License-Identifier: MIT
// The system calls of libpq and libcurl, answered by the simulated world that calls them.
//
// The libraries are the real ones. What this program defines under the names of the C library is what
// they find: in a task that is simulated it goes to the world's network and clock, and everywhere
// else on to the C library. To be included by one file of a program.
//
// 1. Every simulated socket is taken for one that does not block, as the libraries have made it one.
//    A call that would have to wait (poll with a time-out, for a socket that is not ready) stops no
//    worker here; it fails, and is counted: `ledger().blocked`.
// 2. Within an offloaded call a socket blocks, and there is no world to wait in. What is behind such
//    a socket is the program's `blocking_peer`, which answers at once.
// 3. Names that end in ".simulated" are looked up in `ledger().names`.
#pragma once

#include <aloft/detail/reactor/operation.hpp>
#include <aloft/detail/reactor/posix_calls.hpp>
#include <aloft/detail/reactor/simulated_calls.hpp>

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace adapter_tests {

/// Who answers a socket that blocks.
class blocking_peer {
public:
    /// 0, or the number of the error that connecting ends with.
    [[nodiscard]] virtual int connected() = 0;
    virtual void receive(std::string_view bytes) = 0;

protected:
    ~blocking_peer() = default;
};

/// What the libraries have done, and what they find.
struct system_ledger {
    std::size_t opened = 0; // sockets
    std::size_t closed = 0;
    std::size_t blocked = 0; // calls that would have stopped a worker
    blocking_peer* peer = nullptr;
    std::map<std::string, std::vector<std::string>, std::less<>> names;
};

inline system_ledger& ledger() {
    static system_ledger only;
    return only;
}

namespace system_calls {

/// Below the descriptors of worlds, and no kernel's.
inline constexpr int blocking_descriptor = aloft::detail::simulated_calls::first_descriptor - 1;

template <class Function>
[[nodiscard]] Function* next(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

[[nodiscard]] inline int failed(int error) {
    errno = error;
    return -1;
}

[[nodiscard]] inline std::int32_t attempt(aloft::detail::operation& op) {
    aloft::detail::simulated_calls* const world = aloft::detail::simulated_here();
    return world == nullptr ? -EBADF : world->call_now(op);
}

[[nodiscard]] inline ssize_t transfer(aloft::detail::operation_kind kind, int fd, void* bytes,
                                      std::size_t count) {
    aloft::detail::operation op;
    op.kind = kind;
    op.fd = fd;
    op.address = bytes;
    op.length = static_cast<std::uint32_t>(count);
    const std::int32_t moved = attempt(op);
    return moved < 0 ? failed(-moved) : moved;
}

[[nodiscard]] inline std::int32_t connect(int fd, const sockaddr* address) {
    aloft::detail::operation op;
    op.kind = aloft::detail::operation_kind::connect;
    op.fd = fd;
    sockaddr_storage unused{};
    op.address =
        address != nullptr ? const_cast<sockaddr*>(address) : reinterpret_cast<sockaddr*>(&unused);
    return attempt(op);
}

/// SO_ERROR: how connecting has ended, or what broke the connection.
[[nodiscard]] inline int pending_error(int fd) {
    const std::int32_t answer = connect(fd, nullptr);
    const bool none = answer >= 0 || answer == -EAGAIN || answer == -EISCONN || answer == -EINVAL;
    return none ? 0 : -answer;
}

[[nodiscard]] inline short readiness(int fd, short wanted) {
    aloft::detail::operation op;
    op.kind = aloft::detail::operation_kind::poll;
    op.fd = fd;
    op.flags = static_cast<std::uint32_t>(wanted);
    const std::int32_t ready = attempt(op);
    return static_cast<short>(ready == -EAGAIN ? 0 : ready < 0 ? POLLNVAL : ready);
}

} // namespace system_calls
} // namespace adapter_tests

extern "C" {

int socket(int domain, int type, int protocol) noexcept {
    using namespace adapter_tests;
    const bool tcp = (domain == AF_INET || domain == AF_INET6) &&
                     (type & ~SOCK_CLOEXEC & ~SOCK_NONBLOCK) == SOCK_STREAM;
    if (aloft::detail::simulated_calls* const world = aloft::detail::simulated_here();
        tcp && world != nullptr) {
        ++ledger().opened;
        return aloft::detail::simulated_answer(
            world->open_socket(aloft::detail::transport_kind::tcp, domain == AF_INET6));
    }
    if (tcp && ledger().peer != nullptr) {
        ++ledger().opened;
        return system_calls::blocking_descriptor;
    }
    static const auto real = system_calls::next<int(int, int, int)>("socket");
    return real(domain, type, protocol);
}

int connect(int fd, const sockaddr* address, socklen_t length) {
    using namespace adapter_tests;
    if (aloft::detail::is_simulated(fd)) {
        const std::int32_t answer = system_calls::connect(fd, address);
        return answer == 0 ? 0 : system_calls::failed(answer == -EAGAIN ? EINPROGRESS : -answer);
    }
    if (fd == system_calls::blocking_descriptor) {
        const int error = ledger().peer->connected();
        return error == 0 ? 0 : system_calls::failed(error);
    }
    static const auto real = system_calls::next<int(int, const sockaddr*, socklen_t)>("connect");
    return real(fd, address, length);
}

ssize_t send(int fd, const void* bytes, std::size_t count, int flags) {
    using namespace adapter_tests;
    if (aloft::detail::is_simulated(fd)) {
        return system_calls::transfer(aloft::detail::operation_kind::send, fd,
                                      const_cast<void*>(bytes), count);
    }
    if (fd == system_calls::blocking_descriptor) {
        ledger().peer->receive({static_cast<const char*>(bytes), count});
        return static_cast<ssize_t>(count);
    }
    static const auto real =
        system_calls::next<ssize_t(int, const void*, std::size_t, int)>("send");
    return real(fd, bytes, count, flags);
}

ssize_t recv(int fd, void* bytes, std::size_t count, int flags) {
    using namespace adapter_tests;
    if (aloft::detail::is_simulated(fd)) {
        if ((flags & MSG_PEEK) != 0) {
            return system_calls::failed(EOPNOTSUPP);
        }
        return system_calls::transfer(aloft::detail::operation_kind::receive, fd, bytes, count);
    }
    if (fd == system_calls::blocking_descriptor) {
        return 0; // it has heard, and ends
    }
    static const auto real = system_calls::next<ssize_t(int, void*, std::size_t, int)>("recv");
    return real(fd, bytes, count, flags);
}

// Under a name of its own: the compiler believes that what is called poll only writes the array.
int poll_anything(pollfd* descriptors, nfds_t count, int milliseconds) asm("poll");
int poll_anything(pollfd* descriptors, nfds_t count, int milliseconds) {
    using namespace adapter_tests;
    const bool simulated =
        count > 0 ? aloft::detail::is_simulated(descriptors[0].fd)
                  : milliseconds != 0 && aloft::detail::simulated_here() != nullptr; // only sleeps
    if (!simulated) {
        static const auto real = system_calls::next<int(pollfd*, nfds_t, int)>("poll");
        return real(descriptors, count, milliseconds);
    }
    int ready = 0;
    for (nfds_t index = 0; index < count; ++index) {
        pollfd& one = descriptors[index];
        one.revents = system_calls::readiness(one.fd, one.events);
        ready += one.revents != 0 ? 1 : 0;
    }
    if (ready == 0 && milliseconds != 0) {
        ++ledger().blocked;
        return system_calls::failed(EDEADLK);
    }
    return ready;
}

int close(int fd) {
    using namespace adapter_tests;
    if (aloft::detail::is_simulated(fd) || fd == system_calls::blocking_descriptor) {
        ++ledger().closed;
        if (fd != system_calls::blocking_descriptor) {
            aloft::detail::call_close(fd);
        }
        return 0;
    }
    static const auto real = system_calls::next<int(int)>("close");
    return real(fd);
}

int fcntl(int fd, int command, ...) {
    using namespace adapter_tests;
    std::va_list arguments;
    va_start(arguments, command);
    void* const argument = va_arg(arguments, void*); // of the size of whatever it is
    va_end(arguments);
    if (aloft::detail::is_simulated(fd) || fd == system_calls::blocking_descriptor) {
        return 0;
    }
    static const auto real = system_calls::next<int(int, int, ...)>("fcntl");
    return real(fd, command, argument);
}

int setsockopt(int fd, int level, int option, const void* value, socklen_t length) noexcept {
    using namespace adapter_tests;
    if (aloft::detail::is_simulated(fd) || fd == system_calls::blocking_descriptor) {
        return 0;
    }
    static const auto real =
        system_calls::next<int(int, int, int, const void*, socklen_t)>("setsockopt");
    return real(fd, level, option, value, length);
}

int getsockopt(int fd, int level, int option, void* value, socklen_t* length) noexcept {
    using namespace adapter_tests;
    if (aloft::detail::is_simulated(fd)) {
        *static_cast<int*>(value) =
            level == SOL_SOCKET && option == SO_ERROR ? system_calls::pending_error(fd) : 0;
        *length = sizeof(int);
        return 0;
    }
    static const auto real =
        system_calls::next<int(int, int, int, void*, socklen_t*)>("getsockopt");
    return real(fd, level, option, value, length);
}

int getsockname(int fd, sockaddr* address, socklen_t* length) noexcept {
    using namespace adapter_tests;
    if (aloft::detail::is_simulated(fd)) {
        return aloft::detail::call_getsockname(fd, address, length);
    }
    static const auto real = system_calls::next<int(int, sockaddr*, socklen_t*)>("getsockname");
    return real(fd, address, length);
}

int getpeername(int fd, sockaddr* address, socklen_t* length) noexcept {
    using namespace adapter_tests;
    if (aloft::detail::is_simulated(fd)) {
        return aloft::detail::call_getpeername(fd, address, length);
    }
    static const auto real = system_calls::next<int(int, sockaddr*, socklen_t*)>("getpeername");
    return real(fd, address, length);
}

int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** found) {
    using namespace adapter_tests;
    static const auto real =
        system_calls::next<int(const char*, const char*, const addrinfo*, addrinfo**)>(
            "getaddrinfo");
    if (host == nullptr || !std::string_view(host).ends_with(".simulated")) {
        return real(host, service, hints, found);
    }
    const auto name = ledger().names.find(host);
    if (name == ledger().names.end() || (hints->ai_flags & AI_NUMERICHOST) != 0) {
        return EAI_NONAME;
    }
    addrinfo** end = found;
    for (const std::string& address : name->second) {
        if (const int error = real(address.c_str(), service, hints, end); error != 0) {
            return error;
        }
        while (*end != nullptr) { // each is an allocation of its own, which is freed by itself
            end = &(*end)->ai_next;
        }
    }
    return 0;
}

int clock_gettime(clockid_t which, timespec* time) noexcept {
    const aloft::detail::simulated_calls* const world = aloft::detail::simulated_here();
    if (world == nullptr) {
        return static_cast<int>(::syscall(SYS_clock_gettime, which, time));
    }
    time->tv_sec = static_cast<time_t>(world->now / 1'000'000'000);
    time->tv_nsec = static_cast<long>(world->now % 1'000'000'000);
    return 0;
}

time_t time(time_t* also) noexcept {
    timespec now{};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (also != nullptr) {
        *also = now.tv_sec;
    }
    return now.tv_sec;
}

} // extern "C"

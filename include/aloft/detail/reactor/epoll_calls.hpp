// SPDX-License-Identifier: MIT
// The system calls behind each kind of operation, where there is no ring: tried without waiting, or
// made by a thread that may block.
// Layer: L2 reactor
//
// A descriptor's flags are its owner's: O_NONBLOCK is set for the time of a connect, on a socket that
// the library has just made, and for good on listening sockets, which are the library's own. All
// other trials are told not to wait call by call: MSG_DONTWAIT for sockets, RWF_NOWAIT for the rest.
// Pipes that do not know that are opened once more for a trial. What offers no such call is not tried:
// not_offered.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/reactor/datagram.hpp>
#include <aloft/detail/reactor/descriptor_epoch.hpp>
#include <aloft/detail/reactor/operation.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>

namespace aloft::inline ALOFT_ABI::detail {

inline constexpr std::int32_t would_block = -EAGAIN;
inline constexpr std::int32_t not_offered = INT32_MIN; // only a call that may block does it

/// The non-negative answer of `call`, or the negated error number; again if a signal interrupts it.
template <class Call>
[[nodiscard]] std::int32_t answer_of(Call&& call) noexcept {
    for (;;) {
        if (const auto answer = call(); answer >= 0) {
            return static_cast<std::int32_t>(answer);
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
}

[[nodiscard]] inline bool is_vector(operation_kind kind) noexcept {
    return kind == operation_kind::read_vector || kind == operation_kind::write_vector;
}
[[nodiscard]] inline bool is_file_transfer(operation_kind kind) noexcept {
    return kind == operation_kind::read || kind == operation_kind::write || is_vector(kind);
}
/// Whether it waits for a descriptor to take something.
[[nodiscard]] inline bool is_writer(operation_kind kind) noexcept {
    return kind == operation_kind::write || kind == operation_kind::write_vector ||
           kind == operation_kind::send || kind == operation_kind::send_message ||
           kind == operation_kind::connect;
}
/// Whether there is nothing to wait for, only a call that may take long.
[[nodiscard]] inline bool is_long_call(operation_kind kind) noexcept {
    return kind == operation_kind::open || kind == operation_kind::close ||
           kind == operation_kind::sync || kind == operation_kind::file_size;
}

[[nodiscard]] inline std::int32_t transfer(const operation& op, int flags) noexcept {
    iovec one{op.address, op.length};
    const iovec* const parts = is_vector(op.kind) ? static_cast<const iovec*>(op.address) : &one;
    const int count = is_vector(op.kind) ? static_cast<int>(op.length) : 1;
    const off_t at = op.offset == current_position ? -1 : static_cast<off_t>(op.offset);
    if (flags == 0 && at >= 0) {
        return answer_of([&] {
            return is_writer(op.kind) ? ::pwritev(op.fd, parts, count, at)
                                      : ::preadv(op.fd, parts, count, at);
        });
    }
    if (flags == 0) {
        return answer_of([&] {
            return is_writer(op.kind) ? ::writev(op.fd, parts, count)
                                      : ::readv(op.fd, parts, count);
        });
    }
    return answer_of([&] {
        return is_writer(op.kind) ? ::pwritev2(op.fd, parts, count, at, flags)
                                  : ::preadv2(op.fd, parts, count, at, flags);
    });
}

/// A file without positions takes and gives at its only one, as it does through a ring.
[[nodiscard]] inline std::int32_t transfer_anywhere(operation& op, int flags) noexcept {
    std::int32_t answer = transfer(op, flags);
    if (answer == -ESPIPE && op.offset != current_position) {
        op.offset = current_position;
        answer = transfer(op, flags);
    }
    return answer;
}

/// The ready ones of the events, with errors and hang-up; 0 if there are none.
[[nodiscard]] inline std::int32_t ready_events(int fd, std::uint32_t events) noexcept {
    pollfd asked{fd, static_cast<short>(events), 0};
    const std::int32_t answer = answer_of([&] { return ::poll(&asked, 1, 0); });
    if (answer <= 0) {
        return answer;
    }
    return (asked.revents & POLLNVAL) != 0
               ? -EBADF
               : static_cast<std::int32_t>(static_cast<unsigned short>(asked.revents));
}

/// TCP, and nothing over it in the kernel, such as its TLS.
[[nodiscard]] inline bool is_plain_tcp(int fd) noexcept {
    int protocol = 0;
    socklen_t length = sizeof protocol;
    if (::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) != 0 ||
        protocol != IPPROTO_TCP) {
        return false;
    }
    char upper_protocol[16] = {};
    length = sizeof upper_protocol;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_ULP, upper_protocol, &length) != 0 || length == 0;
}

/// For the library's own listening sockets: a connection may be gone again before it is accepted.
inline void set_never_blocking(int fd) noexcept {
    if (const int flags = ::fcntl(fd, F_GETFL); flags >= 0) {
        (void)::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
}

/// Begins to connect; would_block: it is under way. The socket is in blocking mode afterwards.
[[nodiscard]] inline std::int32_t begin_connect(const operation& op) noexcept {
    const int flags = ::fcntl(op.fd, F_GETFL);
    if (flags < 0) {
        return -errno;
    }
    if ((flags & O_NONBLOCK) == 0) {
        (void)::fcntl(op.fd, F_SETFL, flags | O_NONBLOCK);
    }
    const int answer = ::connect(op.fd, static_cast<const sockaddr*>(op.address),
                                 static_cast<socklen_t>(op.offset));
    const int error = answer == 0 ? 0 : errno;
    if ((flags & O_NONBLOCK) == 0) {
        (void)::fcntl(op.fd, F_SETFL, flags);
    }
    if (error == EINPROGRESS || error == EINTR) {
        return would_block;
    }
    return error == EAGAIN ? not_offered : -error; // a UNIX socket that has to wait for its turn
}

[[nodiscard]] inline std::int32_t end_connect(int fd) noexcept {
    if (ready_events(fd, POLLOUT) == 0) {
        return would_block;
    }
    int error = 0;
    socklen_t length = sizeof error;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? -error : -errno;
}

[[nodiscard]] inline bool is_pipe(int fd) noexcept {
    struct stat status = {};
    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

/// For pipes on which RWF_NOWAIT is not offered. Opened once more, the pipe has flags that are nobody
/// else's. not_offered: it cannot be opened.
[[nodiscard]] inline std::int32_t transfer_by_own_description(const operation& op) noexcept {
    char path[32];
    (void)std::snprintf(path, sizeof path, "/proc/self/fd/%d", op.fd);
    operation own(op);
    own.fd = ::open(path, (is_writer(op.kind) ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
    if (own.fd < 0) {
        return not_offered;
    }
    const std::int32_t answer = transfer(own, 0);
    (void)::close(own.fd);
    return answer;
}

/// Of a pipe that is ready. It takes PIPE_BUF bytes without waiting for room; of more a call that may
/// block would wait for the reader, and keep a helper thread for as long.
[[nodiscard]] inline std::int32_t transfer_on_pipe(operation& op) noexcept {
    op.offset = current_position; // there is no other
    const std::int32_t answer = transfer_by_own_description(op);
    if (answer == not_offered && op.kind == operation_kind::write && op.length > PIPE_BUF) {
        op.length = PIPE_BUF;
    }
    return answer;
}

/// The answer, or would_block, or not_offered.
[[nodiscard]] inline std::int32_t try_now(operation& op) noexcept {
    switch (op.kind) {
    case operation_kind::receive:
        return answer_of([&] {
            return ::recv(op.fd, op.address, op.length, static_cast<int>(op.flags) | MSG_DONTWAIT);
        });
    case operation_kind::send:
        return answer_of([&] {
            return ::send(op.fd, op.address, op.length, static_cast<int>(op.flags) | MSG_DONTWAIT);
        });
    case operation_kind::receive_message:
        return answer_of([&] {
            return ::recvmsg(op.fd, static_cast<datagram_message*>(op.address)->header(),
                             MSG_DONTWAIT);
        });
    case operation_kind::send_message:
        return answer_of([&] {
            return ::sendmsg(op.fd, static_cast<datagram_message*>(op.address)->header(),
                             static_cast<int>(op.flags) | MSG_DONTWAIT);
        });
    case operation_kind::accept:
        return answer_of([&] {
            return ::accept4(op.fd, static_cast<sockaddr*>(op.address),
                             static_cast<socklen_t*>(op.second), static_cast<int>(op.flags));
        });
    case operation_kind::connect:
        return end_connect(op.fd);
    default: {
        const std::int32_t answer = transfer_anywhere(op, RWF_NOWAIT);
        if (answer != -EOPNOTSUPP) {
            return answer;
        }
        const std::uint32_t event = is_writer(op.kind) ? POLLOUT : POLLIN;
        if (ready_events(op.fd, event) == 0) {
            return would_block;
        }
        return is_pipe(op.fd) ? transfer_on_pipe(op) : not_offered;
    }
    }
}

/// As a ring opens: a named pipe does not wait for its other end.
[[nodiscard]] inline std::int32_t open_file(const operation& op) noexcept {
    const auto* const path = static_cast<const char*>(op.address);
    const int flags = static_cast<int>(op.flags);
    const auto permissions = static_cast<mode_t>(op.length);
    const std::int32_t fd =
        answer_of([&] { return ::open(path, flags | O_NONBLOCK, permissions); });
    if (fd == would_block) { // somebody has to give a lease back
        return answer_of([&] { return ::open(path, flags, permissions); });
    }
    if (fd >= 0 && (flags & O_NONBLOCK) == 0) {
        if (const int now = ::fcntl(fd, F_GETFL); now >= 0) {
            (void)::fcntl(fd, F_SETFL, now & ~O_NONBLOCK);
        }
    }
    return fd;
}

/// On a thread that may block.
[[nodiscard]] inline std::int32_t call_and_wait(operation& op) noexcept {
    switch (op.kind) {
    case operation_kind::open:
        return open_file(op);
    case operation_kind::close:
        end_descriptor_epoch(op.fd);
        return ::close(op.fd) == 0 ? 0 : -errno; // also after EINTR the number is free
    case operation_kind::sync:
        return answer_of([&] { return op.flags == 1 ? ::fdatasync(op.fd) : ::fsync(op.fd); });
    case operation_kind::file_size:
        return answer_of([&] {
            return ::statx(op.fd, "", AT_EMPTY_PATH, STATX_SIZE,
                           static_cast<struct statx*>(op.address));
        });
    case operation_kind::connect:
        return answer_of([&] {
            return ::connect(op.fd, static_cast<const sockaddr*>(op.address),
                             static_cast<socklen_t>(op.offset));
        });
    case operation_kind::read:
    case operation_kind::write:
    case operation_kind::read_vector:
    case operation_kind::write_vector:
        return transfer_anywhere(op, 0);
    default:
        fail("an operation of unknown kind was given to a helper thread");
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// How each kind of operation is written into a submission queue entry.
// Layer: L2 reactor
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/reactor/datagram.hpp>
#include <aloft/detail/reactor/operation.hpp>

#include <fcntl.h>
#include <liburing.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

inline void prepare(io_uring_sqe* sqe, const operation& op) noexcept {
    std::uint32_t length = op.length;
    ALOFT_KEEP_SCALAR(
        length); // else it is loaded together with the flags, which were written apart
    switch (op.kind) {
    case operation_kind::read:
        io_uring_prep_read(sqe, op.fd, op.address, length, op.offset);
        return;
    case operation_kind::write:
        io_uring_prep_write(sqe, op.fd, op.address, length, op.offset);
        return;
    case operation_kind::read_vector:
        io_uring_prep_readv(sqe, op.fd, static_cast<const iovec*>(op.address), length, op.offset);
        return;
    case operation_kind::write_vector:
        io_uring_prep_writev(sqe, op.fd, static_cast<const iovec*>(op.address), length, op.offset);
        return;
    case operation_kind::receive:
        io_uring_prep_recv(sqe, op.fd, op.address, length, static_cast<int>(op.flags));
        return;
    case operation_kind::send:
        io_uring_prep_send(sqe, op.fd, op.address, length, static_cast<int>(op.flags));
        return;
    case operation_kind::receive_message:
        io_uring_prep_recvmsg(sqe, op.fd, static_cast<datagram_message*>(op.address)->header(), 0);
        return;
    case operation_kind::send_message:
        io_uring_prep_sendmsg(sqe, op.fd, static_cast<datagram_message*>(op.address)->header(),
                              op.flags);
        return;
    case operation_kind::accept:
        io_uring_prep_accept(sqe, op.fd, static_cast<sockaddr*>(op.address),
                             static_cast<socklen_t*>(op.second), static_cast<int>(op.flags));
        return;
    case operation_kind::connect:
        io_uring_prep_connect(sqe, op.fd, static_cast<const sockaddr*>(op.address),
                              static_cast<socklen_t>(op.offset));
        return;
    case operation_kind::open:
        io_uring_prep_openat(sqe, AT_FDCWD, static_cast<const char*>(op.address),
                             static_cast<int>(op.flags), static_cast<mode_t>(length));
        return;
    case operation_kind::close:
        io_uring_prep_close(sqe, op.fd);
        return;
    case operation_kind::sync:
        io_uring_prep_fsync(sqe, op.fd, op.flags == 1 ? IORING_FSYNC_DATASYNC : 0);
        return;
    case operation_kind::file_size:
        io_uring_prep_statx(sqe, op.fd, "", AT_EMPTY_PATH, STATX_SIZE,
                            static_cast<struct statx*>(op.address));
        return;
    case operation_kind::poll:
        io_uring_prep_poll_add(sqe, op.fd, op.flags);
        return;
    }
    fail("an operation of unknown kind was submitted");
}

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// A TCP socket that tells with each read how much is left behind it.
// Layer: L2 reactor
//
// A read that fills its buffer leaves open whether there is more. To find out by another read costs a
// system call where there is nothing; to be told costs a twentieth of one (TCP_INQ, Linux 4.18). The
// kernel counts behind the read, and counts an end of the stream as a byte, so 0 says: whatever
// comes is behind this call.
//
// The option changes nothing for recv(), and recvmsg() gets one more control message. A socket that
// gives others with its data (time stamps) is not asked again, and one that has been given to the
// kernel's TLS is never asked. Should that happen later, a record that is no data ends the read with
// EIO, as with recv(), but once: it has been taken.
#pragma once

#include <aloft/detail/reactor/epoll_calls.hpp>
#include <aloft/detail/reactor/operation.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace aloft::inline ALOFT_ABI::detail {

/// For plain TCP. False: the kernel does not offer it.
[[nodiscard]] inline bool begin_telling_rest(int fd) noexcept {
    const int on = 1;
    return ::setsockopt(fd, IPPROTO_TCP, TCP_INQ, &on, sizeof on) == 0;
}

/// What a socket tells with a read.
struct told_rest {
    int bytes = -1; // behind what the read gives; -1: unknown
    bool tells_others = false;
};

/// The answer of a receive that does not wait.
[[nodiscard]] inline std::int32_t receive_telling_rest(const operation& op,
                                                       told_rest& told) noexcept {
    constexpr int tls_level = 282; // SOL_TLS
    constexpr unsigned char tls_data = 23;
    alignas(cmsghdr) unsigned char control[256];
    iovec part{op.address, op.length};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    std::int32_t answer = answer_of(
        [&] { return ::recvmsg(op.fd, &message, static_cast<int>(op.flags) | MSG_DONTWAIT); });
    if (answer < 0) {
        return answer;
    }
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
         each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level == IPPROTO_TCP && each->cmsg_type == TCP_CM_INQ) {
            std::memcpy(&told.bytes, CMSG_DATA(each), sizeof told.bytes);
            continue;
        }
        told.tells_others = true;
        if (each->cmsg_level == tls_level && *CMSG_DATA(each) != tls_data) {
            answer = -EIO;
        }
    }
    told.tells_others = told.tells_others || (message.msg_flags & MSG_CTRUNC) != 0;
    return answer;
}

} // namespace aloft::inline ALOFT_ABI::detail

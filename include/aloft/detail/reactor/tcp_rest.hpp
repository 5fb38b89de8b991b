// SPDX-License-Identifier: MIT
// A TCP socket that tells with each read how much is left behind it.
// Layer: L2 reactor
//
// A read that fills its buffer leaves open whether there is more. To find out by another read costs a
// system call where there is nothing; to be told costs a twentieth of one (TCP_INQ, Linux 4.18). The
// kernel counts behind the read, and counts an end of the stream as a byte, so 0 says: whatever
// comes is behind this call.
//
// The option changes nothing for recv(), and recvmsg() gets one more control message. A socket that has
// been given to the kernel's TLS is not asked to; should that happen later, what is not data is refused,
// as recv() refuses it.
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

/// False: the kernel does not offer it for this socket.
[[nodiscard]] inline bool begin_telling_rest(int fd) noexcept {
    char upper_protocol[16] = {};
    socklen_t length = sizeof upper_protocol;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_ULP, upper_protocol, &length) != 0 || length != 0) {
        return false;
    }
    const int on = 1;
    return ::setsockopt(fd, IPPROTO_TCP, TCP_INQ, &on, sizeof on) == 0;
}

/// The answer of a receive that does not wait. `rest`: the bytes behind it, or -1 if that is not told.
[[nodiscard]] inline std::int32_t receive_telling_rest(const operation& op, int& rest) noexcept {
    alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof rest)];
    iovec part{op.address, op.length};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const std::int32_t answer = answer_of(
        [&] { return ::recvmsg(op.fd, &message, static_cast<int>(op.flags) | MSG_DONTWAIT); });
    rest = -1;
    const cmsghdr* const told = CMSG_FIRSTHDR(&message);
    if (answer < 0 || told == nullptr) {
        return answer;
    }
    if (told->cmsg_level == IPPROTO_TCP && told->cmsg_type == TCP_CM_INQ) {
        std::memcpy(&rest, CMSG_DATA(told), sizeof rest);
        return answer;
    }
    constexpr unsigned char tls_data = 23;
    return *CMSG_DATA(told) == tls_data ? answer : -EIO;
}

} // namespace aloft::inline ALOFT_ABI::detail

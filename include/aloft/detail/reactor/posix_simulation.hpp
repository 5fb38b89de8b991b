// SPDX-License-Identifier: MIT
// How POSIX's surface describes operations to a simulated kernel, and what it expects back.
// Layer: L2 reactor
#pragma once

#include <aloft/detail/reactor/simulated_object.hpp>
#include <aloft/detail/reactor/socket_address.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// The error number as the surface expects it.
[[nodiscard]] constexpr int native_error(int number) noexcept {
    return number;
}

/// current_position is that of the open file.
inline constexpr bool open_files_have_a_position = true;
inline constexpr int wrong_access = EBADF;
inline constexpr int only_reading = SHUT_RD;
inline constexpr int only_writing = SHUT_WR;

[[nodiscard]] inline open_wish open_wish_of(const operation& op) {
    const int flags = static_cast<int>(op.flags);
    open_wish wish;
    wish.path = static_cast<const char*>(op.address);
    wish.reads = (flags & O_ACCMODE) != O_WRONLY;
    wish.writes = (flags & O_ACCMODE) != O_RDONLY;
    wish.appends = (flags & O_APPEND) != 0;
    wish.creates = (flags & O_CREAT) != 0;
    wish.exclusive = (flags & O_EXCL) != 0;
    wish.truncates = (flags & O_TRUNC) != 0;
    return wish;
}

inline void tell_file_size(const operation& op, std::uint64_t size) noexcept {
    static_cast<struct statx*>(op.address)->stx_size = size;
}

/// What an accept ends with.
[[nodiscard]] inline std::int32_t hand_over(const operation& op, const raw_endpoint& remote,
                                            std::shared_ptr<simulated_object> connection,
                                            simulated_surroundings& around) {
    if (op.address != nullptr) {
        const socket_address name = to_socket_address(remote);
        std::memcpy(op.address, name.data(), name.length);
        *static_cast<socklen_t*>(op.second) = name.length;
    }
    return around.give_descriptor(std::move(connection));
}

} // namespace aloft::inline ALOFT_ABI::detail

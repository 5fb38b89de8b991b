// SPDX-License-Identifier: MIT
// How Windows' surface describes operations to a simulated kernel, and what it expects back.
// Layer: L2 reactor
#pragma once

#if defined(_WIN32)

#include <aloft/detail/reactor/iocp_calls.hpp>
#include <aloft/detail/reactor/simulated_object.hpp>
#include <aloft/detail/reactor/socket_address.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// The simulated kernel thinks in the numbers of <cerrno>; the surface expects Windows'.
[[nodiscard]] constexpr int native_error(int number) noexcept {
    switch (number) {
    case EACCES:
        return ERROR_ACCESS_DENIED;
    case EADDRINUSE:
        return WSAEADDRINUSE;
    case EAFNOSUPPORT:
        return WSAEAFNOSUPPORT;
    case EBADF:
        return ERROR_INVALID_HANDLE;
    case ECANCELED:
        return ERROR_OPERATION_ABORTED;
    case ECONNREFUSED:
        return ERROR_CONNECTION_REFUSED;
    case ECONNRESET:
        return ERROR_NETNAME_DELETED;
    case EDESTADDRREQ:
        return WSAEDESTADDRREQ;
    case EEXIST:
        return ERROR_FILE_EXISTS;
    case EIO:
        return ERROR_IO_DEVICE;
    case EISCONN:
        return WSAEISCONN;
    case EMSGSIZE:
        return WSAEMSGSIZE;
    case EMFILE:
        return ERROR_TOO_MANY_OPEN_FILES;
    case ENOENT:
        return ERROR_FILE_NOT_FOUND;
    case ENOSPC:
        return ERROR_DISK_FULL;
    case ENOTCONN:
        return WSAENOTCONN;
    case ENOTSOCK:
        return WSAENOTSOCK;
    case EOPNOTSUPP:
        return WSAEOPNOTSUPP;
    case EPIPE:
        return WSAESHUTDOWN;
    default:
        return ERROR_INVALID_PARAMETER;
    }
}

/// The surface keeps the position of a file; as an offset, current_position is the file's end.
inline constexpr bool open_files_have_a_position = false;
inline constexpr int wrong_access = EACCES;
inline constexpr int only_reading = SD_RECEIVE;
inline constexpr int only_writing = SD_SEND;

[[nodiscard]] inline std::string utf8_of(const wchar_t* text) {
    const int bytes =
        ::WideCharToMultiByte(CP_UTF8, 0, text, -1, nullptr, 0, nullptr, nullptr); // with the 0
    std::string narrow(bytes > 0 ? static_cast<std::size_t>(bytes) : 1, '\0');
    (void)::WideCharToMultiByte(CP_UTF8, 0, text, -1, narrow.data(), bytes, nullptr, nullptr);
    narrow.pop_back();
    return narrow;
}

[[nodiscard]] inline open_wish open_wish_of(const operation& op) {
    const auto& how = *static_cast<const open_arguments*>(op.address);
    open_wish wish;
    wish.path = utf8_of(how.path);
    wish.reads = (how.access & GENERIC_READ) != 0;
    wish.writes = (how.access & ~DWORD{GENERIC_READ}) != 0;
    wish.appends = wish.writes && (how.access & (GENERIC_WRITE | FILE_WRITE_DATA)) == 0;
    wish.creates = how.disposition == CREATE_NEW || how.disposition == CREATE_ALWAYS ||
                   how.disposition == OPEN_ALWAYS;
    wish.exclusive = how.disposition == CREATE_NEW;
    wish.truncates = how.disposition == CREATE_ALWAYS || how.disposition == TRUNCATE_EXISTING;
    return wish;
}

inline void tell_file_size(const operation& op, std::uint64_t size) noexcept {
    *static_cast<std::uint64_t*>(op.address) = size;
}

/// What an accept ends with: the socket that was made for the connection becomes it.
[[nodiscard]] inline std::int32_t hand_over(const operation& op, const raw_endpoint&,
                                            std::shared_ptr<simulated_object> connection,
                                            simulated_surroundings& around) {
    around.replace(static_cast<int>(reinterpret_cast<std::intptr_t>(op.second)),
                   std::move(connection));
    return 0;
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

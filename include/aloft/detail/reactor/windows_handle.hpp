// SPDX-License-Identifier: MIT
// Windows' handles as the numbers that the library keeps them under, and the calls on them.
// Layer: L2 reactor
//
// A number is the handle itself, whose value fits 32 bits on every Windows (so that 32-bit programs
// can be given it). The system ignores the two lowest bits: the lowest one tells a file from a socket,
// because each is closed by a call of its own. The number of a file is a valid handle as it is.
#pragma once

#if defined(_WIN32)

#include <aloft/detail/reactor/windows_api.hpp>

#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

[[nodiscard]] inline HANDLE handle_of(int number) noexcept {
    return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(number));
}

[[nodiscard]] inline SOCKET socket_of(int number) noexcept {
    return static_cast<SOCKET>(static_cast<std::intptr_t>(number));
}

[[nodiscard]] inline bool is_file(int number) noexcept {
    return (number & 1) != 0;
}

/// -1 for an invalid one.
[[nodiscard]] inline int number_of_file(HANDLE handle) noexcept {
    return handle == INVALID_HANDLE_VALUE
               ? -1
               : static_cast<int>(reinterpret_cast<std::intptr_t>(handle)) | 1;
}
[[nodiscard]] inline int number_of_socket(SOCKET socket) noexcept {
    return static_cast<int>(static_cast<std::intptr_t>(socket));
}

/// Winsock wants to be started once in a process, and is not stopped.
inline void start_winsock() noexcept {
    static const int started = [] {
        WSADATA data;
        return ::WSAStartup(MAKEWORD(2, 2), &data);
    }();
    (void)started;
}

/// False: see GetLastError.
inline bool close_number(int number) noexcept {
    return is_file(number) ? ::CloseHandle(handle_of(number)) != 0
                           : ::closesocket(socket_of(number)) == 0;
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

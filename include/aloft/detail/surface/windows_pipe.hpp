// SPDX-License-Identifier: MIT
// Pipes for Windows: making them, and taking over the ends of other people's.
// Layer: L4 surface
#pragma once

#if defined(_WIN32)

#include <aloft/as_result.hpp>
#include <aloft/detail/reactor/iocp_calls.hpp>
#include <aloft/detail/reactor/windows_calls.hpp>
#include <aloft/detail/surface/pipe_descriptors.hpp>
#include <aloft/detail/surface/pipe_requests.hpp>
#include <aloft/error.hpp>
#include <aloft/result.hpp>
#include <aloft/task.hpp>

#include <winternl.h>

#include <cstddef>
#include <span>
#include <string>

namespace aloft::inline ALOFT_ABI::detail {

[[nodiscard]] inline descriptor_pair open_pipe() {
    int ends[2] = {-1, -1};
    if (call_pipe(ends) != 0) {
        throw_errno(::WSAGetLastError(), "pipe");
    }
    return {descriptor(ends[0]), descriptor(ends[1])};
}

/// Whether its operations block the thread that begins them, and are not answered at a port. The
/// system may not tell.
[[nodiscard]] inline bool is_synchronous(HANDLE handle) noexcept {
    constexpr auto mode_of_file = static_cast<FILE_INFORMATION_CLASS>(16); // FileModeInformation
    constexpr ULONG synchronous = 0x10 | 0x20; // FILE_SYNCHRONOUS_IO_(NON)ALERT
    IO_STATUS_BLOCK status{};
    ULONG mode = 0;
    return ::NtQueryInformationFile(handle, &status, &mode, sizeof mode, mode_of_file) >= 0 &&
           (mode & synchronous) != 0;
}

[[nodiscard]] inline descriptor adopt_pipe_end(int number, const char* operation) {
    if (!is_simulated(number)) {
        const HANDLE handle = handle_of(number);
        DWORD flags = 0;
        if (number < 0 || ::GetHandleInformation(handle, &flags) == 0) {
            throw_errno(ERROR_INVALID_HANDLE,
                        std::string(operation) + " " + std::to_string(number));
        }
        if (is_synchronous(handle)) {
            throw_errno(ERROR_INVALID_PARAMETER, std::string(operation) + " " +
                                                     std::to_string(number) +
                                                     ", which was not opened overlapped");
        }
        number = number_of_file(handle);
    }
    return descriptor(number);
}

/// A write of no bytes, which others may make, is answered with no bytes: that is not the end.
[[nodiscard]] inline task<std::size_t> read_from_pipe(int fd, std::span<std::byte> buffer) {
    for (;;) {
        const result<std::size_t> got =
            co_await as_result(io_awaitable(pipe_read_request(fd, buffer)));
        if (got) {
            co_return *got;
        }
        if (got.error() != system_error_code(-nothing_came)) {
            throw_error(got.error(), pipe_read_request(fd, buffer).name());
        }
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

// SPDX-License-Identifier: MIT
// How Windows makes a pipe both of whose ends can be given to a completion port.
// Layer: L2 reactor
//
// Anonymous pipes cannot: their operations block. So it is a named one, with a name that is random and
// is used once, by this process, right after it was made: there is no second instance, nobody on
// another machine may open it, and if somebody had made a pipe of that name before, there would be
// none here. The end for reading is the pipe's server.
#pragma once

#if defined(_WIN32)

#include <aloft/detail/reactor/windows_handle.hpp>

#include <cstddef>

namespace aloft::inline ALOFT_ABI::detail {

/// What a pipe holds before its writers wait.
inline constexpr DWORD pipe_bytes = 65536;

/// False: see GetLastError.
[[nodiscard]] inline bool fill_with_random_bytes(unsigned char* bytes, ULONG count) noexcept {
    using generate = BOOLEAN(WINAPI*)(PVOID, ULONG);
    static const auto call = [] {
        const HMODULE library = ::LoadLibraryW(L"advapi32.dll");
        return library == nullptr
                   ? nullptr
                   : reinterpret_cast<generate>(reinterpret_cast<void (*)()>(
                         ::GetProcAddress(library, "SystemFunction036"))); // RtlGenRandom
    }();
    if (call == nullptr) {
        ::SetLastError(ERROR_PROC_NOT_FOUND);
        return false;
    }
    return call(bytes, count) != 0;
}

/// The numbers of the ends: where to read, and where to write. False: see GetLastError.
[[nodiscard]] inline bool make_pipe(int (&ends)[2]) noexcept {
    wchar_t name[] = L"\\\\.\\pipe\\aloft-................................";
    constexpr std::size_t digits = 32;
    unsigned char random[digits / 2] = {};
    if (!fill_with_random_bytes(random, sizeof random)) {
        return false;
    }
    wchar_t* at = name + sizeof name / sizeof *name - 1 - digits;
    for (const unsigned char each : random) {
        *at++ = L"0123456789abcdef"[each >> 4];
        *at++ = L"0123456789abcdef"[each & 15];
    }
    const HANDLE reader = ::CreateNamedPipeW(
        name, PIPE_ACCESS_INBOUND | FILE_FLAG_FIRST_PIPE_INSTANCE | FILE_FLAG_OVERLAPPED,
        PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1, pipe_bytes,
        pipe_bytes, 0, nullptr);
    if (reader == INVALID_HANDLE_VALUE) {
        return false;
    }
    const HANDLE writer = ::CreateFileW(name, GENERIC_WRITE, 0, nullptr, OPEN_EXISTING,
                                        FILE_FLAG_OVERLAPPED, nullptr);
    if (writer == INVALID_HANDLE_VALUE) {
        const DWORD error = ::GetLastError();
        (void)::CloseHandle(reader);
        ::SetLastError(error);
        return false;
    }
    ends[0] = number_of_file(reader);
    ends[1] = number_of_file(writer);
    return true;
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

// SPDX-License-Identifier: MIT
// This process's open files and sockets on Windows.
#pragma once

#include <aloft/detail/reactor/windows_handle.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace test_support {

/// One entry per file, socket and pipe: its number. Handles of other kinds come and go with threads.
[[nodiscard]] inline std::vector<std::string> open_descriptors() {
    aloft::detail::start_winsock(); // which keeps some open
    std::vector<std::string> open;
    int missing = 0;
    for (std::intptr_t number = 4; missing < 100; number += 4) {
        const auto handle = reinterpret_cast<HANDLE>(number);
        DWORD flags = 0;
        if (::GetHandleInformation(handle, &flags) == 0) {
            ++missing;
            continue;
        }
        missing = 0;
        if (::GetFileType(handle) != FILE_TYPE_UNKNOWN) {
            open.push_back(std::to_string(number));
        }
    }
    return open;
}

[[nodiscard]] inline bool is_open_descriptor(int number) {
    DWORD flags = 0;
    return ::GetHandleInformation(aloft::detail::handle_of(number), &flags) != 0;
}

} // namespace test_support

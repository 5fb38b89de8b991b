// SPDX-License-Identifier: MIT
#if defined(_WIN32)

#include "read_with_calls.hpp"

#include <winsock2.h>
// behind winsock2.h
#include <windows.h>

#include <system_error>

namespace when_not_to {

std::vector<std::byte> read_with_calls(const std::string& path) {
    const auto check = [](bool good, const std::string& what) {
        if (!good) {
            throw std::system_error(static_cast<int>(::GetLastError()), std::system_category(),
                                    what);
        }
    };
    const HANDLE file = ::CreateFileA(path.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr,
                                      OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    check(file != INVALID_HANDLE_VALUE, "open " + path);
    LARGE_INTEGER size{};
    std::vector<std::byte> content;
    DWORD count = 0;
    bool good = ::GetFileSizeEx(file, &size) != 0;
    if (good) {
        content.resize(static_cast<std::size_t>(size.QuadPart));
        good = ::ReadFile(file, content.data(), static_cast<DWORD>(content.size()), &count,
                          nullptr) != 0;
    }
    const DWORD error = ::GetLastError();
    (void)::CloseHandle(file);
    ::SetLastError(error);
    check(good, "read " + path);
    content.resize(count);
    return content;
}

} // namespace when_not_to

#endif

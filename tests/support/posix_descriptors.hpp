// SPDX-License-Identifier: MIT
// This process's open descriptors, as Linux tells them.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

namespace test_support {

/// One entry per open descriptor: its number and what it refers to.
[[nodiscard]] inline std::vector<std::string> open_descriptors() {
    std::vector<std::string> open;
    DIR* const directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) {
        return open;
    }
    const std::string own = std::to_string(::dirfd(directory));
    while (const dirent* const entry = ::readdir(directory)) {
        const std::string number = entry->d_name;
        if (number.front() == '.' || number == own) {
            continue;
        }
        std::array<char, 256> target{};
        (void)!::readlink(("/proc/self/fd/" + number).c_str(), target.data(), target.size() - 1);
        open.push_back(number + " -> " + target.data());
    }
    ::closedir(directory);
    return open;
}

[[nodiscard]] inline bool is_open_descriptor(int number) {
    return ::fcntl(number, F_GETFD) != -1;
}

} // namespace test_support

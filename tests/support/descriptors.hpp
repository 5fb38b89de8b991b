// SPDX-License-Identifier: MIT
// Counts this process's open descriptors, and fails a test that leaves more behind than it found.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
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

/// Put it first into a test case: it looks again when everything else of the test is gone.
class no_leaked_descriptors {
public:
    no_leaked_descriptors() : before_(open_descriptors()) {}
    no_leaked_descriptors(const no_leaked_descriptors&) = delete;
    no_leaked_descriptors& operator=(const no_leaked_descriptors&) = delete;
    ~no_leaked_descriptors() {
        const std::vector<std::string> after = open_descriptors();
        std::string fresh;
        for (const std::string& each : after) {
            if (std::find(before_.begin(), before_.end(), each) == before_.end()) {
                fresh += each + "; ";
            }
        }
        INFO("descriptors that were not open before: " << fresh);
        CHECK(after.size() == before_.size());
    }

private:
    std::vector<std::string> before_;
};

} // namespace test_support

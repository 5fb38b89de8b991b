// SPDX-License-Identifier: MIT
// Counts this process's open descriptors, and fails a test that leaves more behind than it found.
#pragma once

#if defined(_WIN32)
#include <support/windows_descriptors.hpp>
#else
#include <support/posix_descriptors.hpp>
#endif

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace test_support {

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

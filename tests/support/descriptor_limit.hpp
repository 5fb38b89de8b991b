// SPDX-License-Identifier: MIT
// As long as it lives, this process can open no more than a few further descriptors.
#pragma once

#include <aloft/config.hpp>

#include <catch2/catch_test_macros.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

namespace test_support {

class descriptor_limit {
public:
    explicit descriptor_limit(int further = 0) {
        if (::getrlimit(RLIMIT_NOFILE, &before_) != 0) {
            throw std::system_error(errno, std::system_category(), "getrlimit");
        }
        std::vector<int> reserved;
        int next = 0;
        for (int i = 0; i <= further; ++i) {
            next = ::dup(STDERR_FILENO); // the lowest number that is free
            reserved.push_back(next);
        }
        rlimit lowered = before_;
        lowered.rlim_cur = static_cast<rlim_t>(next);
        const int failed = ::setrlimit(RLIMIT_NOFILE, &lowered);
        for (const int each : reserved) {
            ::close(each);
        }
        if (failed != 0) {
            throw std::system_error(errno, std::system_category(), "setrlimit");
        }
    }
    descriptor_limit(const descriptor_limit&) = delete;
    descriptor_limit& operator=(const descriptor_limit&) = delete;
    ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

/// For tests that use descriptors up in this process: the undefined-behaviour sanitizer, which builds
/// with the address sanitizer have too, opens a pipe to look at an object's type.
inline void skip_where_checks_need_descriptors() {
    if (ALOFT_ASAN) {
        SKIP("the sanitizer cannot do without descriptors");
    }
}

} // namespace test_support

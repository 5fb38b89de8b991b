// SPDX-License-Identifier: MIT
// What the adapters' tests share: runtimes of every kind, counted descriptors.
#pragma once

#include <aloft/runtime.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <cstddef>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <vector>

namespace adapter_tests {

/// The best backend, and the fallback where this build has one.
inline const std::vector<aloft::backend>& backends() {
    static const std::vector<aloft::backend> offered = [] {
        std::vector<aloft::backend> found{aloft::backend::automatic};
        try {
            const aloft::runtime fallback(
                aloft::runtime_options{}.threads(1).backend(aloft::backend::epoll));
            found.push_back(aloft::backend::epoll);
        } catch (const std::system_error& failed) {
            if (failed.code() != std::errc::operation_not_supported) {
                throw;
            }
        }
        return found;
    }();
    return offered;
}

/// Each test case that calls this runs once per backend.
inline aloft::runtime_options any_backend() {
    const aloft::backend chosen = GENERATE(from_range(backends()));
    return aloft::runtime_options{}.threads(2).backend(chosen);
}

inline std::size_t open_descriptors() {
    const std::filesystem::directory_iterator begin("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator{}));
}

} // namespace adapter_tests

// SPDX-License-Identifier: MIT
// Runs a hidden test case that is expected to end the program in a process of its own.
#pragma once

#include <support/windows_child_process.hpp>

#include <catch2/catch_test_macros.hpp>

#include <csignal>
#include <string>

namespace testing {

/// To be called first in a hidden test case: it dies by the default action.
inline void expect_death() {
    std::signal(SIGABRT, SIG_DFL);
}

/// Whether the hidden test case dies by abort() after it has printed `sentence`.
[[nodiscard]] inline bool dies_with(const std::string& name, const std::string& sentence) {
    const test_support::child_answer end = test_support::run_this_program(name);
    CAPTURE(name, end.errors, end.status);
    CHECK(end.aborted());
    CHECK(end.errors.find(sentence) != std::string::npos);
    return end.aborted() && end.errors.find(sentence) != std::string::npos;
}

} // namespace testing

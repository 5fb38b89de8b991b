// SPDX-License-Identifier: MIT
// Ends a test program that hangs, with the name of the test case. A guard, not a measure of speed.
#pragma once

#if defined(_WIN32) // there ctest's time limit is the guard

namespace test_support {
inline void allow_any_time() {}
} // namespace test_support

#else

#include <catch2/catch_test_case_info.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

namespace test_support {

inline std::array<char, 256> running_test_case{};

/// Uses SIGALRM; tests that need a periodic signal take another one.
class hang_guard : public Catch::EventListenerBase {
public:
    using Catch::EventListenerBase::EventListenerBase;

    static constexpr unsigned most_seconds = 240;

    void testCaseStarting(const Catch::TestCaseInfo& info) override {
        running_test_case.fill('\0');
        std::copy_n(info.name.data(), std::min(info.name.size(), running_test_case.size() - 2),
                    running_test_case.data());
        running_test_case[std::strlen(running_test_case.data())] = '\n';
        struct sigaction action{};
        action.sa_handler = [](int) {
            constexpr char sentence[] = "hang guard: this test case does not end: ";
            (void)!::write(STDERR_FILENO, sentence, sizeof sentence - 1);
            (void)!::write(STDERR_FILENO, running_test_case.data(),
                           std::strlen(running_test_case.data()));
            std::abort();
        };
        ::sigaction(SIGALRM, &action, nullptr);
        ::alarm(most_seconds);
    }

    void testCaseEnded(const Catch::TestCaseStats&) override { ::alarm(0); }
};

CATCH_REGISTER_LISTENER(hang_guard)

/// For the running test case.
inline void allow_any_time() {
    ::alarm(0);
}

} // namespace test_support

#endif

// SPDX-License-Identifier: MIT
// Runs this program once more, in a test case, and as far as a function of that test case.
#pragma once

#include <aloft/detail/reactor/windows_api.hpp>

#include <catch2/interfaces/catch_interfaces_capture.hpp>

#include <array>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>
#include <system_error>

namespace test_support {

struct child_answer {
    DWORD status = 0;
    std::string errors; // what it printed to stderr

    /// The C library's abort() gives this exit code.
    [[nodiscard]] bool aborted() const { return status == 3; }
};

/// Waits for its end.
[[nodiscard]] inline child_answer run_this_program(const std::string& test_case) {
    const auto check = [](bool good, const char* call) {
        if (!good) {
            throw std::system_error(static_cast<int>(::GetLastError()), std::system_category(),
                                    call);
        }
    };
    std::array<char, 4096> program{};
    check(::GetModuleFileNameA(nullptr, program.data(), program.size()) != 0, "GetModuleFileName");
    SECURITY_ATTRIBUTES inherited{sizeof(SECURITY_ATTRIBUTES), nullptr, TRUE};
    HANDLE read = nullptr;
    HANDLE write = nullptr;
    check(::CreatePipe(&read, &write, &inherited, 0) != 0, "CreatePipe");
    (void)::SetHandleInformation(read, HANDLE_FLAG_INHERIT, 0);
    std::string pattern; // what means something in a pattern is taken as it is
    for (const char each : test_case) {
        pattern += each == ',' || each == '[' || each == '"' || each == '\\'
                       ? std::string("\\") + each
                       : std::string(1, each);
    }
    std::string line = "\"" + std::string(program.data()) + "\" \"" + pattern + "\"";
    STARTUPINFOA how{};
    how.cb = sizeof how;
    how.dwFlags = STARTF_USESTDHANDLES;
    how.hStdError = write;
    PROCESS_INFORMATION child{};
    const BOOL started = ::CreateProcessA(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr,
                                          nullptr, &how, &child);
    (void)::CloseHandle(write);
    child_answer answer;
    if (started != 0) {
        std::array<char, 4096> part{};
        DWORD got = 0;
        while (::ReadFile(read, part.data(), part.size(), &got, nullptr) != 0 && got > 0) {
            answer.errors.append(part.data(), got);
        }
        (void)::WaitForSingleObject(child.hProcess, INFINITE);
        (void)::GetExitCodeProcess(child.hProcess, &answer.status);
        (void)::CloseHandle(child.hThread);
        (void)::CloseHandle(child.hProcess);
    }
    (void)::CloseHandle(read);
    check(started != 0, "CreateProcess");
    return answer;
}

inline std::string case_with_children; // and how many it has had so far
inline int children_so_far = 0;

/// Starts this program in the same test case; there the call of the same number runs `body` and ends the
/// process. So what the test case does before is done again there, and only CHECKs may come before.
template <class Body>
[[nodiscard]] child_answer run_in_child(Body&& body) {
    const std::string test_case = Catch::getResultCapture().getCurrentTestName();
    children_so_far = test_case == case_with_children ? children_so_far + 1 : 1;
    case_with_children = test_case;
    const std::string number = std::to_string(children_so_far);
    const char* const wanted = std::getenv("ALOFT_TEST_CHILD");
    if (wanted == nullptr) {
        (void)::SetEnvironmentVariableA("ALOFT_TEST_CHILD", number.c_str());
        child_answer answer = run_this_program(test_case);
        (void)::SetEnvironmentVariableA("ALOFT_TEST_CHILD", nullptr);
        return answer;
    }
    if (number != wanted) {
        return {};
    }
    std::signal(SIGABRT, SIG_DFL);
    try {
        (void)body();
    } catch (const std::exception&) {
    }
    std::_Exit(0);
}

} // namespace test_support

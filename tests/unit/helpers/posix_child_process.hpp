// SPDX-License-Identifier: MIT
// Runs what is expected to end the program in a child process, and tells how it ended.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace testing {

struct child_end {
    int signal = 0;     // what killed it, or 0
    int exit_code = 0;  // if nothing did
    std::string errors; // what it wrote to standard error
};

/// To be called first in a hidden test case: it dies by the default action, without the test
/// framework's handler (which is not made for threads) and without a core file.
inline void expect_death() {
    std::signal(SIGABRT, SIG_DFL);
    const rlimit none{0, 0};
    (void)::setrlimit(RLIMIT_CORE, &none);
}

[[nodiscard]] inline std::string read_to_end(int descriptor) {
    std::string text;
    char buffer[4096];
    for (;;) {
        const ssize_t count = ::read(descriptor, buffer, sizeof buffer);
        if (count <= 0) {
            return text;
        }
        text.append(buffer, static_cast<std::size_t>(count));
    }
}

[[nodiscard]] inline child_end wait_for(pid_t child, int errors) {
    child_end end;
    end.errors = read_to_end(errors);
    ::close(errors);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
        end.signal = WTERMSIG(status);
    } else {
        end.exit_code = WEXITSTATUS(status);
    }
    return end;
}

/// Runs the hidden test case of this program that has this name in a process of its own.
[[nodiscard]] inline child_end run_hidden_test(const std::string& name) {
    int errors[2];
    REQUIRE(::pipe2(errors, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    std::string program = "/proc/self/exe";
    std::string test = name;
    char* arguments[] = {program.data(), test.data(), nullptr};
    pid_t child = -1;
    const int failed =
        ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(errors[1]);
    REQUIRE(failed == 0);
    return wait_for(child, errors[0]);
}

/// Waits until all other threads of this process sleep. One that is still beginning may hold the
/// allocator's lock, which nobody would give back in a copy of the process: the leak check at the
/// copy's exit would wait for it for ever.
inline void wait_until_others_sleep() {
    const std::string self = std::to_string(::gettid());
    const auto sleeps = [&self](const std::filesystem::directory_entry& task) {
        std::string line;
        std::getline(std::ifstream(task.path() / "stat") >> std::ws, line);
        const std::size_t name_end = line.rfind(')'); // the state comes behind the name
        return task.path().filename() == self || name_end == std::string::npos ||
               line.compare(name_end, 3, ") S") == 0;
    };
    for (;;) {
        const std::filesystem::directory_iterator tasks("/proc/self/task");
        if (std::all_of(begin(tasks), end(tasks), sleeps)) {
            return;
        }
        std::this_thread::yield();
    }
}

/// Calls `function` in a copy of this process made by fork(); 0 is its exit code if it returns.
template <class Function>
[[nodiscard]] child_end run_in_fork(Function&& function) {
    int errors[2];
    REQUIRE(::pipe2(errors, O_CLOEXEC) == 0);
    std::fflush(stdout);
    std::fflush(stderr);
    wait_until_others_sleep();
    const pid_t child = ::fork();
    if (child == 0) {
        expect_death();
        ::dup2(errors[1], STDERR_FILENO);
        function();
        std::_Exit(0);
    }
    ::close(errors[1]);
    REQUIRE(child > 0);
    return wait_for(child, errors[0]);
}

/// Whether the hidden test case dies by abort() after it has printed `sentence`.
[[nodiscard]] inline bool dies_with(const std::string& name, const std::string& sentence) {
    const child_end end = run_hidden_test(name);
    CAPTURE(name, end.errors, end.signal, end.exit_code);
    CHECK(end.signal == SIGABRT);
    CHECK(end.errors.find(sentence) != std::string::npos);
    return end.signal == SIGABRT && end.errors.find(sentence) != std::string::npos;
}

} // namespace testing

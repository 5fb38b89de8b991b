// SPDX-License-Identifier: MIT
// Runs a function in a child process made by fork().
#pragma once

#include <support/hang_guard.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>

namespace test_support {

struct child_answer {
    int status = 0;
    std::string said;   // what the function returned, or "exception: ..."
    std::string errors; // what it printed to stderr

    [[nodiscard]] bool exited() const { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
    [[nodiscard]] bool aborted() const {
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    }
    [[nodiscard]] bool says(const std::string& part) const {
        return said.find(part) != std::string::npos;
    }
};

[[nodiscard]] inline std::string read_to_end(int fd) {
    std::string all;
    std::array<char, 4096> part{};
    for (;;) {
        const ssize_t got = ::read(fd, part.data(), part.size());
        if (got > 0) {
            all.append(part.data(), static_cast<std::size_t>(got));
        } else if (got == 0 || errno != EINTR) {
            return all;
        }
    }
}

/// `body` returns a std::string. No runtime may exist in this process.
template <class Body>
[[nodiscard]] child_answer run_in_child(Body&& body) {
    std::array<int, 2> answer{};
    std::array<int, 2> errors{};
    if (::pipe(answer.data()) != 0 || ::pipe(errors.data()) != 0) {
        throw std::system_error(errno, std::system_category(), "pipe");
    }
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGABRT, SIG_DFL);
        ::alarm(hang_guard::most_seconds / 2); // alarms are not inherited
        ::dup2(errors[1], STDERR_FILENO);
        std::string said;
        try {
            said = body();
        } catch (const std::exception& error) {
            said = std::string("exception: ") + error.what();
        }
        (void)!::write(answer[1], said.data(), said.size());
        std::fflush(stderr);
        ::_exit(0);
    }
    ::close(answer[1]);
    ::close(errors[1]);
    child_answer result;
    result.said = read_to_end(answer[0]);
    result.errors = read_to_end(errors[0]);
    ::close(answer[0]);
    ::close(errors[0]);
    while (::waitpid(child, &result.status, 0) < 0 && errno == EINTR) {
    }
    return result;
}

} // namespace test_support

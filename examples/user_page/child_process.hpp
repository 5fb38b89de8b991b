// SPDX-License-Identifier: MIT A child process that never outlives the object that stands for it.
//
// Life cycle: start() -> running -> wait() or stop() -> reaped. The destructor kills and reaps.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace user_page {

/// A user and group of the operating system.
struct identity {
    uid_t user = 0;
    gid_t group = 0;
};

/// How to start a program; what is not set is inherited.
class launch {
public:
    explicit launch(std::vector<std::string> command) : command_(std::move(command)) {}

    launch& as(std::optional<identity> who) {
        who_ = who;
        return *this;
    }
    launch& in(std::filesystem::path folder) {
        folder_ = std::move(folder);
        return *this;
    }
    /// Standard output goes to this descriptor.
    launch& output_to(int descriptor) {
        output_ = descriptor;
        return *this;
    }
    /// Standard output and error are appended to this file.
    launch& log_to(std::filesystem::path file) {
        log_ = std::move(file);
        return *this;
    }
    /// What the child gets if this process dies.
    launch& on_death_of_parent(int signal) {
        death_signal_ = signal;
        return *this;
    }

private:
    friend class child_process;
    std::vector<std::string> command_;
    std::optional<identity> who_;
    std::filesystem::path folder_;
    std::filesystem::path log_;
    int output_ = -1;
    int death_signal_ = SIGKILL;
};

/// Thread safety: one thread at a time. The thread that starts a child must live as long as the
/// child does: the kernel takes its end for the death of the parent.
class child_process {
public:
    child_process() = default;
    child_process(child_process&& other) noexcept : process_(std::exchange(other.process_, -1)) {}
    child_process& operator=(child_process&& other) noexcept {
        child_process old(std::move(*this));
        process_ = std::exchange(other.process_, -1);
        return *this;
    }
    ~child_process() {
        if (process_ > 0) {
            ::kill(process_, SIGKILL);
            while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
            }
        }
    }

    /// In a process group of its own, so that Ctrl-C reaches it only through this process.
    static child_process start(const launch& how) {
        std::vector<char*> arguments;
        for (const std::string& one : how.command_) {
            arguments.push_back(const_cast<char*>(one.c_str())); // execv does not write to them
        }
        arguments.push_back(nullptr);
        const pid_t parent = ::getpid();
        const pid_t process = ::fork();
        if (process < 0) {
            throw std::system_error(errno, std::system_category(), "fork");
        }
        if (process == 0) {
            become(how, arguments.data(), parent); // never returns
        }
        child_process child;
        child.process_ = process;
        return child;
    }

    [[nodiscard]] pid_t process() const noexcept { return process_; }

    /// The status as waitpid() gives it, if the child has ended; reaps it.
    std::optional<int> poll() {
        int status = 0;
        const pid_t ended = ::waitpid(process_, &status, WNOHANG);
        if (ended == 0) {
            return std::nullopt;
        }
        process_ = -1;
        return ended > 0 ? status : -1;
    }

    int wait() {
        for (;;) {
            if (const std::optional<int> status = wait_for(std::chrono::hours(1))) {
                return *status;
            }
        }
    }

    std::optional<int> wait_for(std::chrono::milliseconds limit) {
        const auto deadline = std::chrono::steady_clock::now() + limit;
        for (;;) {
            if (const std::optional<int> status = poll()) {
                return status;
            }
            if (std::chrono::steady_clock::now() >= deadline) {
                return std::nullopt;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }

    /// Sends the signals in turn, each with as much time as `patience`, until the child is gone.
    void stop(const std::vector<int>& signals, std::chrono::milliseconds patience) noexcept {
        for (const int signal : signals) {
            if (process_ <= 0) {
                return;
            }
            ::kill(process_, signal);
            wait_for(patience);
        }
        child_process killed(std::move(*this));
    }

private:
    /// Between fork and exec: only what is safe there in a program with threads.
    [[noreturn]] static void become(const launch& how, char** arguments, pid_t parent) {
        ::setpgid(0, 0);
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        if (how.who_ && (::setgroups(1, &how.who_->group) != 0 || ::setgid(how.who_->group) != 0 ||
                         ::setuid(how.who_->user) != 0)) {
            ::_exit(126);
        }
        ::prctl(PR_SET_PDEATHSIG, how.death_signal_); // after setuid, which clears it
        if (::getppid() != parent) {
            ::_exit(126); // it died before prctl took effect
        }
        if (!how.log_.empty()) {
            const int log =
                ::open(how.log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            if (log >= 0) {
                ::dup2(log, STDOUT_FILENO);
                ::dup2(log, STDERR_FILENO);
            }
        }
        if (how.output_ >= 0) {
            ::dup2(how.output_, STDOUT_FILENO);
        }
        if (!how.folder_.empty() && ::chdir(how.folder_.c_str()) != 0) {
            ::_exit(126);
        }
        ::execv(arguments[0], arguments);
        ::_exit(127);
    }

    pid_t process_ = -1;
};

} // namespace user_page

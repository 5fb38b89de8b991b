// SPDX-License-Identifier: MIT
#if !defined(_WIN32)

#include "child.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace in_flight {

namespace {

void require_zero(int error, const char* what) {
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), what);
    }
}

class descriptor {
public:
    explicit descriptor(int number) : number_(number) {}
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() { close(); }

    [[nodiscard]] int get() const { return number_; }

    void close() {
        if (number_ >= 0) {
            ::close(number_);
            number_ = -1;
        }
    }

private:
    int number_;
};

std::string read_to_end(int from) {
    std::string text;
    std::array<char, 4096> buffer{};
    for (;;) {
        const ssize_t count = ::read(from, buffer.data(), buffer.size());
        if (count > 0) {
            text.append(buffer.data(), static_cast<std::size_t>(count));
        } else if (count == 0) {
            return text;
        } else if (errno != EINTR) {
            require_zero(errno, "read from the child process");
        }
    }
}

} // namespace

std::string run_self(const std::vector<std::string>& arguments) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        require_zero(errno, "pipe");
    }
    const descriptor reading{ends[0]};
    descriptor writing{ends[1]};

    std::vector<std::string> words{"in_flight"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& word : words) {
        pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    require_zero(posix_spawn_file_actions_init(&actions), "posix_spawn");
    pid_t child = 0;
    int error = posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
    if (error == 0) {
        error = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
    }
    posix_spawn_file_actions_destroy(&actions);
    require_zero(error, "start this program again");

    writing.close(); // else the end of the output would never come
    std::string text = read_to_end(reading.get());
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            require_zero(errno, "wait for the child process");
        }
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        throw std::runtime_error("the run with " + arguments.at(0) + " failed");
    }
    return text;
}

} // namespace in_flight

#endif

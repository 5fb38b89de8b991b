// SPDX-License-Identifier: MIT
// descriptor: owns a file descriptor; and how the benchmarks report a failed system call.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace bench {

[[noreturn]] inline void throw_errno(const char* call, int error = errno) {
    throw std::system_error(error, std::generic_category(), call);
}

/// The result of a system call, if it succeeded.
inline int check(int result, const char* call) {
    if (result < 0) {
        throw_errno(call);
    }
    return result;
}

class descriptor {
public:
    descriptor() noexcept = default;
    explicit descriptor(int fd) noexcept : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~descriptor() {
        if (fd_ >= 0) {
            (void)::close(fd_);
        }
    }

    [[nodiscard]] int get() const noexcept { return fd_; }

private:
    int fd_ = -1;
};

} // namespace bench

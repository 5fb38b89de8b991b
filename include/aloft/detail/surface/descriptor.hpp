// SPDX-License-Identifier: MIT
// A file descriptor, or the number of a handle, with one owner. Backends are told when it is closed.
// Layer: L4 surface
#pragma once

#include <aloft/detail/reactor/descriptor_epoch.hpp>
#if defined(_WIN32)
#include <aloft/detail/reactor/windows_calls.hpp>
#else
#include <aloft/detail/reactor/posix_calls.hpp>
#endif

#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class descriptor {
public:
    descriptor() noexcept = default;
    explicit descriptor(int fd) noexcept : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(other.release()) {}
    descriptor& operator=(descriptor&& other) noexcept {
        if (this != &other) {
            reset(other.release());
        }
        return *this;
    }
    ~descriptor() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    void reset(int fd = -1) noexcept {
        const int old = std::exchange(fd_, fd);
        if (old >= 0) {
            end_descriptor_epoch(old);
            call_close(old);
        }
    }

private:
    int fd_ = -1;
};

} // namespace aloft::inline ALOFT_ABI::detail

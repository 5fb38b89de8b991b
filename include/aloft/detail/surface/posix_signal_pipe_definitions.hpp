// SPDX-License-Identifier: MIT
// The definitions of posix_signal_pipe.hpp: inline, or, if ALOFT_SEPARATE is set, for one translation unit.
// Layer: L4 surface
//
// 1. pipe_of_signal maps a signal to the write end of its owner's pipe, or to -1. It is the only
//    thing that the handler reads; the handler calls write() alone, which is async-signal-safe.
// 2. A signal has at most one owner: the entry is claimed before the handler is installed and given
//    up after the previous disposition was restored. A handler that runs on another thread at that
//    moment may still hold the descriptor's number: the write end is therefore never blocking, and
//    a byte that it puts into a pipe that is being closed is lost with it.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/surface/posix_signal_pipe.hpp>
#include <aloft/error.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

inline constexpr int signal_count = 65; // Linux has 64, from 1

inline atomic<int>& pipe_of_signal(int number) noexcept {
    // The entry holds the descriptor plus one, so that the zero-initialised table means "no owner"
    // before any constructor ran.
    static constinit std::array<atomic<int>, signal_count> table{};
    return table[static_cast<std::size_t>(number)];
}

inline void on_signal(int number) noexcept {
    const int saved = errno;
    const int end = pipe_of_signal(number).load(std::memory_order_relaxed) - 1;
    if (end >= 0) {
        const auto byte = static_cast<unsigned char>(number);
        (void)!::write(end, &byte, 1);
    }
    errno = saved;
}

ALOFT_SEPARABLE signal_pipe::signal_pipe(std::initializer_list<int> numbers) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw_errno(errno, "signal_set: pipe2");
    }
    read_end_ = descriptor(ends[0]);
    write_end_ = descriptor(ends[1]);
    (void)::fcntl(write_end_.get(), F_SETFL, O_NONBLOCK); // the read end stays blocking
    try {
        for (const int each : numbers) {
            claim(each);
        }
    } catch (...) {
        give_up();
        throw;
    }
}

ALOFT_SEPARABLE signal_pipe::~signal_pipe() {
    give_up();
}

ALOFT_SEPARABLE void signal_pipe::claim(int number) {
    if (number < 1 || number >= signal_count) {
        throw_error(std::make_error_code(std::errc::invalid_argument),
                    "signal_set: " + std::to_string(number) + " is no signal");
    }
    int nobody = 0;
    if (!pipe_of_signal(number).compare_exchange_strong(nobody, write_end_.get() + 1,
                                                        std::memory_order_relaxed)) {
        throw_error(std::make_error_code(std::errc::device_or_resource_busy),
                    "signal_set: another set waits for signal " + std::to_string(number));
    }
    struct sigaction action = {};
    action.sa_handler = &on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    struct sigaction before = {};
    if (::sigaction(number, &action, &before) != 0) {
        pipe_of_signal(number).store(0, std::memory_order_relaxed);
        throw_errno(errno, "signal_set: sigaction for signal " + std::to_string(number));
    }
    claimed_.emplace_back(number, before);
}

ALOFT_SEPARABLE void signal_pipe::give_up() noexcept {
    for (const auto& [number, before] : claimed_) {
        (void)::sigaction(number, &before, nullptr);
        pipe_of_signal(number).store(0, std::memory_order_relaxed);
    }
    claimed_.clear();
}

} // namespace aloft::inline ALOFT_ABI::detail

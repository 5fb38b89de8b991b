// SPDX-License-Identifier: MIT
// ring: an io_uring for one thread, used directly: what a program without a library could reach.
#pragma once

#include "support/descriptor.hpp"

#include <liburing.h>

#include <cerrno>
#include <system_error>

namespace bench {

class ring {
public:
    /// To be called on the thread that is to use it.
    explicit ring(unsigned entries) {
        io_uring_params params{};
        params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
        int answer = ::io_uring_queue_init_params(entries, &ring_, &params);
        if (answer == -EINVAL) { // a kernel before 6.1
            params = io_uring_params{};
            answer = ::io_uring_queue_init_params(entries, &ring_, &params);
        }
        if (answer < 0) {
            throw_errno("io_uring_queue_init", -answer);
        }
    }
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;
    ~ring() { ::io_uring_queue_exit(&ring_); }

    [[nodiscard]] io_uring* get() noexcept { return &ring_; }

    /// An entry to fill in; hands the full queue to the kernel first, if need be.
    [[nodiscard]] io_uring_sqe* next_entry() {
        io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
        if (entry == nullptr) {
            submit_and_wait(0);
            entry = ::io_uring_get_sqe(&ring_);
        }
        if (entry == nullptr) {
            throw_errno("io_uring_get_sqe", EBUSY);
        }
        return entry;
    }

    void submit_and_wait(unsigned completions) {
        int answer = 0;
        do {
            answer = ::io_uring_submit_and_wait(&ring_, completions);
        } while (answer == -EINTR);
        if (answer < 0) {
            throw_errno("io_uring_enter", -answer);
        }
    }

    /// Calls `handle` with each completion that is there.
    template <class Handle>
    void for_each_completion(Handle handle) {
        unsigned head = 0;
        unsigned count = 0;
        io_uring_cqe* completion = nullptr;
        io_uring_for_each_cqe(&ring_, head, completion) {
            ++count;
            handle(*completion);
        }
        ::io_uring_cq_advance(&ring_, count);
    }

    /// Whether the kernel lets this process have one.
    [[nodiscard]] static bool available() noexcept {
        try {
            const ring probe(8);
            return true;
        } catch (const std::system_error&) {
            return false;
        }
    }

private:
    io_uring ring_{};
};

} // namespace bench

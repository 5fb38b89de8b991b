// SPDX-License-Identifier: MIT
// A word at which one thread waits, with a limit, until others change it.
// Layer: L2 reactor
//
// 1. No wake-up is lost: whoever changes the word does it before wake(). That the waiter finds the old
//    value and falls asleep is one step for the kernel, which wake() comes before or behind; without
//    futexes it is one step under the mutex that wake() takes. Before it, the waiter sees the change.
// 2. wait() may return for no reason: the caller looks again.
// 3. A condition variable would do, but for its way: the thread that comes here a thousand times a
//    second finds its code and its locks in no cache.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/reactor/clock.hpp>

#include <atomic>
#include <cstdint>

#if defined(_WIN32)
#include <aloft/detail/base/lean_chrono.hpp>
#include <condition_variable>
#include <mutex>
#else
#include <linux/futex.h>
#include <linux/time_types.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace aloft::inline ALOFT_ABI::detail {

class wait_word {
public:
    atomic<std::uint32_t> value{0};

#if defined(_WIN32)

    void wait(std::uint32_t old, clock_ns most) noexcept {
        std::unique_lock lock(mutex_);
        if (value.load(std::memory_order_relaxed) != old) {
            return;
        }
        if (most == no_deadline) {
            changed_.wait(lock);
        } else {
            changed_.wait_for(lock, std::chrono::nanoseconds(most));
        }
    }

    void wake() noexcept {
        mutex_.lock();
        mutex_.unlock();
        changed_.notify_one();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;

#else

    void wait(std::uint32_t old, clock_ns most) noexcept {
        __kernel_old_timespec limit{};
        limit.tv_sec = static_cast<decltype(limit.tv_sec)>(most / 1'000'000'000);
        limit.tv_nsec = static_cast<decltype(limit.tv_nsec)>(most % 1'000'000'000);
        (void)::syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, old,
                        most == no_deadline ? nullptr : &limit, nullptr, 0);
    }

    void wake() noexcept {
        (void)::syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }

private:
    static_assert(sizeof(std::uint32_t) == sizeof(atomic<std::uint32_t>),
                  "the kernel takes the address for that of an integer");

#endif
};

} // namespace aloft::inline ALOFT_ABI::detail

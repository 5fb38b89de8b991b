// SPDX-License-Identifier: MIT
// A lock for critical sections of some tens of nanoseconds that hardly ever meet.
// Layer: L0 base
//
// States: free, held, awaited (held, and somebody may sleep). A waiter spins for a bounded time and
// then sleeps, because on an oversubscribed machine the holder may be preempted, and may even have
// the lower priority.
//
// 1. Whoever turned free into held or awaited holds the lock, and is the one that turns it back.
// 2. A waiter sleeps only after it turned the state into awaited, and only while it is awaited;
//    whoever turns awaited into free wakes one. The woken one leaves awaited behind, for the others
//    that may sleep. So no wake-up is lost.
// 3. unlock() uses the lock's address behind the release as a key only: the lock may be gone then.
//    Whoever destroys it without having held it last calls wait_until_free() before.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/atomic_wait.hpp>

namespace aloft::inline ALOFT_ABI::detail {

inline constexpr int lock_spins = ALOFT_SMALL_QUEUES ? 1 : 64;

class spin_lock {
public:
    [[nodiscard]] bool try_lock() noexcept {
        int expected = free;
        // order(spin_lock.state): acquire; what the previous holder wrote becomes visible
        return state_.load(std::memory_order_relaxed) == free &&
               state_.compare_exchange_strong(expected, held, std::memory_order_acquire,
                                              std::memory_order_relaxed);
    }

    ALOFT_ALWAYS_INLINE void lock() noexcept {
        if (!try_lock()) [[unlikely]] {
            lock_slowly();
        }
    }

    ALOFT_ALWAYS_INLINE void unlock() noexcept {
        // order(spin_lock.state): release; the holder's writes become visible to the next one
        if (state_.exchange(free, std::memory_order_release) == awaited) [[unlikely]] {
            wake_one();
        }
    }

    /// Waits until whoever holds it has given it back, where nobody comes any more.
    void wait_until_free() noexcept {
        // order(spin_lock.state): acquire; what the last holder wrote becomes visible
        if (state_.load(std::memory_order_acquire) != free) [[unlikely]] {
            lock();
            unlock();
        }
    }

private:
    static constexpr int free = 0;
    static constexpr int held = 1;
    static constexpr int awaited = 2;

    ALOFT_NOINLINE void lock_slowly() noexcept {
        for (int spins = 1; spins < lock_spins; ++spins) {
            spin_pause();
            if (try_lock()) {
                return;
            }
        }
        // order(spin_lock.state): acquire; as above
        while (state_.exchange(awaited, std::memory_order_acquire) != free) {
            wait_while(state_, awaited, std::memory_order_relaxed);
        }
    }

    ALOFT_NOINLINE void wake_one() noexcept { notify_waiters(state_, false); }

    atomic<int> state_{free};
};

/// Holds a spin_lock in a scope. (std::scoped_lock would do, but its header costs every user of a
/// task a tenth of a second.)
class spin_guard {
public:
    ALOFT_ALWAYS_INLINE explicit spin_guard(spin_lock& lock) noexcept : lock_(lock) {
        lock_.lock();
    }
    spin_guard(const spin_guard&) = delete;
    spin_guard& operator=(const spin_guard&) = delete;
    ALOFT_ALWAYS_INLINE ~spin_guard() { lock_.unlock(); }

private:
    spin_lock& lock_;
};

} // namespace aloft::inline ALOFT_ABI::detail

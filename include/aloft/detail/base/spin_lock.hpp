// SPDX-License-Identifier: MIT
// A lock for critical sections of some tens of nanoseconds that hardly ever meet, and a few of some
// microseconds.
// Layer: L0 base
//
// States: free, held. Taking it is one read-modify-write, giving it back is one store: on the fast
// paths of most primitives there is nothing dearer than these, and a lock that wakes sleepers needs a
// read-modify-write for giving it back as well. So nobody is woken here. A waiter spins for about as
// long as a sleep takes, some tens of microseconds, and then backs off (back_off.hpp), because on an
// oversubscribed machine the holder may be preempted, and may even have the lower priority.
//
// 1. Whoever turned free into held holds the lock, and is the one that turns it back.
// 2. Who waits looks again by itself, so no wake-up can be lost. Waiters are served in no order.
// 3. The store of unlock() is its last access: whoever sees it may take the lock's memory away.
//    Whoever destroys it without having held it last calls wait_until_free() before.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/back_off.hpp>

namespace aloft::inline ALOFT_ABI::detail {

inline constexpr int lock_spins = ALOFT_SMALL_QUEUES ? 1 : 2000;

class spin_lock {
public:
    [[nodiscard]] bool try_lock() noexcept {
        int expected = free;
        // order(spin_lock.state): acquire; what the previous holder wrote becomes visible
        return state_.load(memory_order_relaxed) == free &&
               state_.compare_exchange_strong(expected, held, memory_order_acquire,
                                              memory_order_relaxed);
    }

    ALOFT_ALWAYS_INLINE void lock() noexcept {
        int expected = free;
        // order(spin_lock.state): acquire; as in try_lock(), without a look before: it hardly ever fails
        if (!state_.compare_exchange_strong(expected, held, memory_order_acquire,
                                            memory_order_relaxed)) [[unlikely]] {
            lock_slowly();
        }
    }

    ALOFT_ALWAYS_INLINE void unlock() noexcept {
        // order(spin_lock.state): release; the holder's writes become visible to the next one
        state_.store(free, memory_order_release);
    }

    /// Waits until whoever holds it has given it back, where nobody comes any more.
    void wait_until_free() noexcept {
        // order(spin_lock.state): acquire; what the last holder wrote becomes visible
        if (state_.load(memory_order_acquire) != free) [[unlikely]] {
            lock();
            unlock();
        }
    }

private:
    static constexpr int free = 0;
    static constexpr int held = 1;

    ALOFT_NOINLINE void lock_slowly() noexcept {
        for (int spins = 1; spins < lock_spins; ++spins) {
            spin_pause();
            if (try_lock()) {
                return;
            }
        }
        for (unsigned round = 0; !try_lock(); ++round) {
            back_off(state_, held, round);
        }
    }

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

// SPDX-License-Identifier: MIT
// Where threads sleep until a variable has changed.
// Layer: L0 base
//
// One place serves many variables. No wake-up is lost:
// 1. A waiter counts itself, passes a full fence, and compares under the place's mutex. A notifier, whose
//    store was before, passes a full fence and looks at the count. So the waiter sees the store, or the
//    notifier sees the waiter.
// 2. In the latter case the notifier takes the mutex and gives it back before it wakes everybody at the
//    place: it comes before the comparison, which then sees the store, or finds the waiter asleep.
// 3. Everybody is woken, because who sleeps here may wait for another variable.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/cacheline.hpp>

#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

/// Mutex: lock and unlock; sleep, which gives it back, waits for wake_all or returns for no reason,
/// and takes it again; wake_all.
template <class Mutex>
class alignas(cacheline_bytes) waiting_place {
public:
    /// Returns when `changed()` is true.
    template <class Changed>
    ALOFT_ALWAYS_INLINE void wait(Changed&& changed) noexcept {
        begin();
        while (!changed()) {
            mutex_.sleep();
        }
        end();
    }

    /// Behind a change.
    ALOFT_ALWAYS_INLINE void notify() noexcept {
        full_fence(); // the variable against the count: 1
        if (waiters_.load(memory_order_relaxed) != 0) [[unlikely]] {
            wake();
        }
    }

private:
    ALOFT_NOINLINE void begin() noexcept {
        waiters_.fetch_add(1, memory_order_relaxed);
        full_fence(); // the count against the variable: 1
        mutex_.lock();
    }

    ALOFT_NOINLINE void end() noexcept {
        mutex_.unlock();
        waiters_.fetch_sub(1, memory_order_relaxed);
    }

    ALOFT_NOINLINE void wake() noexcept {
        mutex_.lock();
        mutex_.unlock();
        mutex_.wake_all();
    }

    Mutex mutex_;
    atomic<std::uint32_t> waiters_{0};
};

} // namespace aloft::inline ALOFT_ABI::detail

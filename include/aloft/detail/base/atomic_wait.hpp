// SPDX-License-Identifier: MIT
// Waiting for an atomic variable to change, where the standard library's own way can be relied on and
// where not.
// Layer: L0 base
//
// libstdc++ without futexes, so on Windows, compares the value before it takes its mutex and notifies
// without taking it: whoever changes the value and notifies in between is missed. There the functions
// here use a mutex and a condition variable of all waiters: a waiter compares under the mutex, and a
// notifier takes the mutex behind its store, so it comes before the comparison or finds the waiter asleep.
// Notifying does not touch the variable, which may be gone.
#pragma once

#include <aloft/detail/base/atomic.hpp>

#if defined(_WIN32)
#include <condition_variable>
#include <mutex>
#endif

namespace aloft::inline ALOFT_ABI::detail {

#if defined(_WIN32)

struct atomic_waiters {
    std::mutex mutex;
    std::condition_variable changed;
};

/// Never destroyed: threads may wait while the program ends.
[[nodiscard]] inline atomic_waiters& all_atomic_waiters() noexcept {
    static atomic_waiters& all = *new atomic_waiters;
    return all;
}

template <class T, class Value>
void wait_while(const atomic<T>& variable, Value old, std::memory_order order) noexcept {
    atomic_waiters& all = all_atomic_waiters();
    std::unique_lock lock(all.mutex);
    while (variable.load(order) == old) {
        all.changed.wait(lock);
    }
}

template <class T>
void notify_waiters(const atomic<T>&, bool) noexcept {
    atomic_waiters& all = all_atomic_waiters();
    {
        const std::scoped_lock lock(all.mutex);
    }
    all.changed.notify_all();
}

#else

template <class T, class Value>
ALOFT_ALWAYS_INLINE void wait_while(const atomic<T>& variable, Value old,
                                    std::memory_order order) noexcept {
    variable.wait(old, order);
}

/// One of them or all.
template <class T>
ALOFT_ALWAYS_INLINE void notify_waiters(atomic<T>& variable, bool all) noexcept {
    if (all) {
        variable.notify_all();
    } else {
        variable.notify_one();
    }
}

#endif

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// Waiting for an atomic variable to change.
// Layer: L0 base
//
// Not std::atomic's way, which costs every file that has a task a quarter of a second (atomic.hpp, 5),
// and which is wrong in libstdc++ without futexes, so on Windows: that compares the value before it takes
// its mutex, and notifies without taking it.
//
// Waiters sleep at a place which the variable's address chooses (waiting_place.hpp), together with those
// whose addresses choose the same one. Notifying uses the address and does not touch the variable: it may
// be gone. A model whose atomics can be waited for says so: ALOFT_MODEL_WAITS.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/waiting_place.hpp>

#include <cstddef>
#include <cstdint>

// What std::mutex and std::condition_variable are made of in libstdc++, whose headers take longer.
#if __has_include(<bits/gthr.h>)
#include <bits/gthr.h>
#endif
#if defined(__GTHREADS) && defined(__GTHREAD_HAS_COND) && defined(__GTHREAD_MUTEX_INIT) &&         \
    defined(__GTHREAD_COND_INIT)
#define ALOFT_LEAN_WAIT 1
#else
#define ALOFT_LEAN_WAIT 0
#include <condition_variable>
#include <mutex>
#endif

namespace aloft::inline ALOFT_ABI::detail {

#if ALOFT_LEAN_WAIT

class waiting_mutex {
public:
    void lock() noexcept { (void)__gthread_mutex_lock(&mutex_); }
    void unlock() noexcept { (void)__gthread_mutex_unlock(&mutex_); }
    /// Sleeps without it until there is a change, or for no reason.
    void sleep() noexcept { (void)__gthread_cond_wait(&changed_, &mutex_); }
    void wake_all() noexcept { (void)__gthread_cond_broadcast(&changed_); }

private:
    __gthread_mutex_t mutex_ = __GTHREAD_MUTEX_INIT;
    __gthread_cond_t changed_ = __GTHREAD_COND_INIT;
};

#else

class waiting_mutex {
public:
    void lock() noexcept { mutex_.lock(); }
    void unlock() noexcept { mutex_.unlock(); }
    void sleep() noexcept {
        std::unique_lock<std::mutex> held(mutex_, std::adopt_lock);
        changed_.wait(held);
        (void)held.release();
    }
    void wake_all() noexcept { changed_.notify_all(); }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
};

#endif

inline constexpr std::size_t waiting_places = 16;

/// Never destroyed: threads may wait while the program ends.
[[nodiscard]] inline waiting_place<waiting_mutex>& waiting_place_of(const void* variable) noexcept {
#if ALOFT_LEAN_WAIT
    constinit static waiting_place<waiting_mutex> all[waiting_places];
#else
    static waiting_place<waiting_mutex>* const all =
        new waiting_place<waiting_mutex>[waiting_places];
#endif
    return all[reinterpret_cast<std::uintptr_t>(variable) / 16 % waiting_places];
}

/// Returns when it has seen another value than `old`.
template <class T, class Value>
ALOFT_NOINLINE void wait_while(const atomic<T>& variable, Value old, memory_order order) noexcept {
#ifdef ALOFT_MODEL_WAITS
    variable.wait(old, order);
#else
    constexpr int spins = 64; // a change may be about to come
    for (int i = 0; i < spins; ++i) {
        if (variable.load(order) != old) {
            return;
        }
        spin_pause();
    }
    waiting_place_of(&variable).wait([&] { return variable.load(order) != old; });
#endif
}

/// To be called behind a change.
template <class T>
void notify_waiters(atomic<T>& variable) noexcept {
#ifdef ALOFT_MODEL_WAITS
    variable.notify_all();
#else
    waiting_place_of(&variable).notify();
#endif
}

} // namespace aloft::inline ALOFT_ABI::detail

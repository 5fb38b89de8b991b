// SPDX-License-Identifier: MIT
// Waiting for an atomic variable to change.
// Layer: L0 base
//
// Not std::atomic's way, which costs every file that has a task a quarter of a second (atomic.hpp, 5),
// and which is wrong in libstdc++ without futexes, so on Windows: that compares the value before it takes
// its mutex, and notifies without taking it.
//
// Waiters sleep at a place which the variable's address chooses, together with those whose addresses
// choose the same one. No wake-up is lost:
// 1. A waiter counts itself, passes a full fence, and compares under the place's mutex. A notifier, whose
//    store was before, passes a full fence and looks at the count. So the waiter sees the store, or the
//    notifier sees the waiter.
// 2. In the latter case the notifier takes the mutex and gives it back before it wakes everybody at the
//    place: it comes before the comparison, which then sees the store, or finds the waiter asleep.
// Notifying uses the variable's address and does not touch it: it may be gone.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/cacheline.hpp>

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

struct alignas(cacheline_bytes) waiting_place {
    waiting_mutex mutex;
    atomic<std::uint32_t> waiters{0};
};

inline constexpr std::size_t waiting_places = 16;

/// Never destroyed: threads may wait while the program ends.
[[nodiscard]] inline waiting_place& waiting_place_of(const void* variable) noexcept {
#if ALOFT_LEAN_WAIT
    constinit static waiting_place all[waiting_places];
#else
    static waiting_place* const all = new waiting_place[waiting_places];
#endif
    return all[reinterpret_cast<std::uintptr_t>(variable) / 16 % waiting_places];
}

ALOFT_NOINLINE inline void begin_waiting(waiting_place& place) noexcept {
    place.waiters.fetch_add(1, memory_order_relaxed);
    full_fence(); // the count against the variable: 1
    place.mutex.lock();
}

ALOFT_NOINLINE inline void end_waiting(waiting_place& place) noexcept {
    place.mutex.unlock();
    place.waiters.fetch_sub(1, memory_order_relaxed);
}

ALOFT_NOINLINE inline void wake_waiters(waiting_place& place) noexcept {
    place.mutex.lock();
    place.mutex.unlock();
    place.mutex.wake_all();
}

/// Returns when it has seen another value than `old`.
template <class T, class Value>
ALOFT_NOINLINE void wait_while(const atomic<T>& variable, Value old, memory_order order) noexcept {
#ifdef ALOFT_MODEL
    variable.wait(old, order);
#else
    constexpr int spins = 64; // a change may be about to come
    for (int i = 0; i < spins; ++i) {
        if (variable.load(order) != old) {
            return;
        }
        spin_pause();
    }
    waiting_place& place = waiting_place_of(&variable);
    begin_waiting(place);
    while (variable.load(order) == old) {
        place.mutex.sleep();
    }
    end_waiting(place);
#endif
}

/// To be called behind a change.
template <class T>
void notify_waiters(atomic<T>& variable) noexcept {
#ifdef ALOFT_MODEL
    variable.notify_all();
#else
    waiting_place& place = waiting_place_of(&variable);
    full_fence(); // the variable against the count: 1
    if (place.waiters.load(memory_order_relaxed) != 0) [[unlikely]] {
        wake_waiters(place);
    }
#endif
}

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// mutex: one task at a time, in the order of their coming; whoever waits holds no thread.
// Layer: L1 coro
//
//   free --lock--> locked --unlock--> free                            one compare-exchange each
//                  locked --somebody joins the queue--> locked|waited
//                  locked|waited --unlock--> locked|waited, locked    handed over
//                  locked|waited --unlock--> free                     all had given up
//
// 1. The queue is not empty => locked|waited. The bit is set by the waiter that joins, under the
//    room's lock; while it is set the word changes under that lock only. So an unlock either comes
//    before the waiter's compare-exchange, which then finds the mutex free and takes it, or finds
//    the bit and the waiter behind it: no wake-up is lost (waiting_room.hpp, 1).
// 2. While somebody waits the mutex is never free: it is handed to the first waiter, and nobody
//    barges in. What was handed over before its waiter was stopped is the waiter's.
// 3. Whoever locks it next may destroy it: an unlock that frees it touches nothing behind that but
//    the room's lock, for which the destructor waits (waiting_room.hpp, 5).
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/room_awaiter.hpp>
#include <aloft/detail/coro/waiting_room.hpp>

#include <atomic>
#include <cstdint>
#include <utility>

namespace aloft::inline ALOFT_ABI {

class condition_variable;

/// Purpose: mutual exclusion between tasks, which may suspend while they hold it:
/// `auto guard = co_await m.lock();`
///
/// Thread safety: every member may be called on any thread; lock() is awaited in tasks.
/// Lifetime: must outlive its guards and its waiters.
/// Errors: those of cancellation. Destroying it while it is locked or waited for ends the program
/// with a sentence.
/// Cancellation: a lock() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled; a task that has been stopped takes nothing.
/// Cost: one compare-exchange to lock and one to unlock where nobody waits, a short lock otherwise; a
/// wait allocates nothing.
class mutex {
public:
    class guard;
    class lock_awaiter;

    mutex() noexcept = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    ~mutex() {
        detail::require(state_.load(std::memory_order_relaxed) == free,
                        "a mutex was destroyed while it was locked");
    }

    /// Waits until the mutex is the caller's; co_await gives a guard.
    [[nodiscard]] lock_awaiter lock() noexcept;

    /// Locks it if it is free: a guard that may be empty.
    [[nodiscard]] guard try_lock() noexcept;

private:
    template <class>
    friend class detail::room_awaiter;
    friend condition_variable;

    static constexpr const char* name = "mutex";
    static constexpr std::uint32_t free = 0;
    static constexpr std::uint32_t locked = 1;
    static constexpr std::uint32_t waited = 2;

    [[nodiscard]] bool take_at_once(std::uint8_t = 0) noexcept {
        std::uint32_t expected = free;
        // order(mutex.state): acquire; what the previous holder wrote becomes visible
        return state_.compare_exchange_strong(expected, locked, std::memory_order_acquire,
                                              std::memory_order_relaxed);
    }

    [[nodiscard]] bool take_in_room(std::uint8_t = 0) noexcept {
        std::uint32_t state = state_.load(std::memory_order_relaxed);
        while ((state & waited) == 0) {
            if (state == free) {
                // order(mutex.state): acquire; what the previous holder wrote becomes visible
                if (state_.compare_exchange_weak(state, locked, std::memory_order_acquire,
                                                 std::memory_order_relaxed)) {
                    return true;
                }
            } else if (state_.compare_exchange_weak(state, locked | waited,
                                                    std::memory_order_relaxed)) {
                return false;
            }
        }
        return false;
    }

    void unlock() noexcept {
        std::uint32_t expected = locked;
        // order(mutex.state): release; what the holder wrote becomes visible to the next one
        if (!state_.compare_exchange_strong(expected, free, std::memory_order_release,
                                            std::memory_order_relaxed)) {
            hand_over();
        } // PUBLISHED
    }

    ALOFT_NOINLINE void hand_over() noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard inside(room_.lock());
            if (room_.empty()) {
                // order(mutex.state): release; what the holder wrote becomes visible
                state_.store(free, std::memory_order_release);
                return;
            }
            room_.give(*room_.first(), woken);
            if (room_.empty()) {
                state_.store(locked, std::memory_order_relaxed);
            }
        } // PUBLISHED
        detail::waiting_room::resume_all(woken);
    }

    /// Locks it for a waiter with `coroutine` and `exec`, now or when its turn comes, and resumes
    /// it then. Nothing stops that.
    void lock_for(detail::room_waiter& w) noexcept {
        {
            const detail::spin_guard inside(room_.lock());
            if (!take_in_room()) {
                room_.join(w);
                return; // PUBLISHED
            }
            w.phase = detail::wait_phase::given;
        }
        detail::waiting_room::resume_one(w); // PUBLISHED
    }

    detail::atomic<std::uint32_t> state_{free};
    detail::waiting_room room_; // its destructor runs first
};

/// Purpose: holds a mutex until its end, or until unlock(). Move-only.
///
/// Thread safety: one owner at a time; it may be used, and end, on another thread than it began.
/// Lifetime: shorter than the mutex's.
/// Errors: unlocking an empty one ends the program with a sentence.
/// Cancellation: none. Cost: a pointer; see mutex.
class [[nodiscard]] mutex::guard {
public:
    guard() noexcept = default;
    guard(guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    guard& operator=(guard&& other) noexcept {
        guard(std::move(other)).swap(*this);
        return *this;
    }
    ~guard() {
        if (mutex_ != nullptr) {
            mutex_->unlock();
        }
    }

    void unlock() noexcept {
        detail::require(mutex_ != nullptr, "a guard was unlocked that holds no mutex");
        std::exchange(mutex_, nullptr)->unlock();
    }

    [[nodiscard]] bool owns_lock() const noexcept { return mutex_ != nullptr; }
    explicit operator bool() const noexcept { return owns_lock(); }

    void swap(guard& other) noexcept { std::swap(mutex_, other.mutex_); }

private:
    friend mutex;
    friend condition_variable;
    explicit guard(mutex* held) noexcept : mutex_(held) {}
    mutex* mutex_ = nullptr;
};

class [[nodiscard]] mutex::lock_awaiter : public detail::room_awaiter<mutex> {
public:
    using room_awaiter::room_awaiter;

    [[nodiscard]] guard await_resume() {
        resume_or_throw();
        return guard(owner_);
    }
};

inline mutex::lock_awaiter mutex::lock() noexcept {
    return lock_awaiter(*this);
}

inline mutex::guard mutex::try_lock() noexcept {
    return guard(take_at_once() ? this : nullptr);
}

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// condition_variable: waits until somebody who held the mutex says that something has changed.
// Layer: L1 coro
//
//   waiter:  idle --wait--> queued here, the mutex given up
//            queued here --notify, or a stop--> queued at the mutex, or resumed if it was free
//            queued at the mutex --its turn--> resumed, holding the mutex
//
// 1. A waiter joins the queue before it gives the mutex up. Whoever changes what it waits for holds
//    the mutex, and so comes before the waiter looked, or finds it in the queue: no wake-up is lost.
// 2. `waited_` is set under the room's lock by whoever joins, and cleared under it when the queue is
//    empty. A notify that reads it as not set comes before the waiter joined; if it came behind, the
//    mutex (or whatever else told the notifier) would have made the store visible.
// 3. Whoever takes a waiter out of the queue does not resume it, but locks the mutex for it
//    (`resume` of room_waiter): it is resumed once, when the mutex is its own. Nothing stops that
//    second wait. The awaiter has a second node for it, because the first one is still listed with
//    what may stop the task.
// 4. Behind joining the queue the waiting thread uses the mutex's address only: the waiter cannot be
//    resumed before the mutex is given up.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/temporary_closure.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/error.hpp>
#include <aloft/mutex.hpp>
#include <aloft/task.hpp>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: lets tasks that hold a mutex wait for a change that other holders make:
/// `co_await changed.wait(guard, [&] { return !queue.empty(); });`
///
/// Thread safety: every member may be called on any thread, notify with or without the mutex; wait()
/// is awaited in tasks. All who wait at a time use the same mutex.
/// Lifetime: must outlive its waiters. The guard stays where it is while it is waited with.
/// Errors: those of cancellation; what the predicate throws. Waiting with a guard that holds no
/// mutex, or destroying the condition variable while tasks wait, ends the program with a sentence.
/// Cancellation: a wait() of a task that is stopped, or whose runtime ends, throws
/// std::errc::operation_canceled, and holds the mutex again by then: it waits for that however long it
/// takes. A waiter that was notified before it was stopped returns.
/// Cost: a notify that nobody waits for is a load. Otherwise a short lock, and as a notified waiter
/// goes to the mutex's queue by itself, it is resumed once. A wait allocates nothing; with a predicate
/// it is a task.
class condition_variable {
public:
    condition_variable() noexcept = default;
    condition_variable(const condition_variable&) = delete;
    condition_variable& operator=(const condition_variable&) = delete;
    ~condition_variable() = default;

    class [[nodiscard]] wait_awaiter;

    /// Gives the mutex up until it is notified, and takes it again. There are no spurious wake-ups,
    /// but others may have been faster.
    [[nodiscard]] wait_awaiter wait(mutex::guard& held) noexcept;

    /// Waits until `reached()`, which is called with the mutex held.
    template <class Predicate>
        requires std::predicate<std::decay_t<Predicate>&>
    [[nodiscard]] auto wait(mutex::guard& held, Predicate&& reached) {
        return detail::guard_temporary<detail::is_endangered_temporary<Predicate>>(
            wait_until<std::decay_t<Predicate>>(held, std::forward<Predicate>(reached)));
    }

    /// For the one that waits longest.
    void notify_one() noexcept { notify(false); }

    void notify_all() noexcept { notify(true); }

private:
    template <class Predicate>
    task<void> wait_until(mutex::guard& held, Predicate reached);

    void notify(bool all) noexcept {
        if (waited_.load(std::memory_order_relaxed)) {
            notify_waiters(all);
        }
    }

    ALOFT_NOINLINE void notify_waiters(bool all) noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard inside(room_.lock());
            if (all) {
                room_.give_all(woken);
            } else if (!room_.empty()) {
                room_.give(*room_.first(), woken);
            }
            waited_.store(!room_.empty(), std::memory_order_relaxed);
        } // PUBLISHED
        detail::waiting_room::resume_all(woken);
    }

    detail::atomic<bool> waited_{false};
    detail::waiting_room room_; // its destructor runs first
};

class [[nodiscard]] condition_variable::wait_awaiter : detail::room_waiter {
public:
    wait_awaiter(condition_variable& condition, mutex::guard& held) noexcept
        : condition_(&condition), guard_(&held) {}
    wait_awaiter(wait_awaiter&& other) noexcept // only before it is awaited
        : room_waiter(), condition_(other.condition_), guard_(other.guard_) {}
    ~wait_awaiter() {
        if (room == nullptr) [[likely]] {
            return; // it has been resumed, or never waited
        }
        // The frame is destroyed while it waits, and does not hold the mutex.
        if (stop != nullptr) {
            std::exchange(stop, nullptr)->remove(*this);
        }
        if (!detail::waiting_room::forget(again_)) {
            detail::waiting_room::forget(*this);
        }
        guard_->mutex_ = nullptr;
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
        mutex* const held = guard_->mutex_;
        detail::require(held != nullptr,
                        "a condition_variable was waited for with a guard that holds no mutex");
        condition_variable& condition = *condition_;
        resume = &wait_awaiter::lock_again;
        const auto join = [&condition] {
            condition.waited_.store(true, std::memory_order_relaxed);
            return false;
        };
        if (!condition.room_.wait(
                *this, self, detail::environment_of(self), [] { return false; }, join,
                "condition_variable")) {
            return false;
        }
        held->unlock(); // PUBLISHED
        return true;
    }

    void await_resume() {
        again_.room = nullptr;
        if (!detail::waiting_room::resumed(*this)) [[unlikely]] {
            detail::throw_error(canceled_error(), "condition_variable");
        }
    }

private:
    /// Called by who took it out of the queue.
    static void lock_again(detail::room_waiter& w) noexcept {
        auto& self = static_cast<wait_awaiter&>(w);
        self.again_.coroutine = self.coroutine;
        self.again_.exec = self.exec;
        self.guard_->mutex_->lock_for(self.again_); // PUBLISHED
    }

    condition_variable* condition_;
    mutex::guard* guard_; // still names the mutex while it does not hold it
    detail::room_waiter again_;
};

inline condition_variable::wait_awaiter condition_variable::wait(mutex::guard& held) noexcept {
    return wait_awaiter(*this, held);
}

template <class Predicate>
task<void> condition_variable::wait_until(mutex::guard& held, Predicate reached) {
    while (!reached()) {
        co_await wait(held);
    }
}

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// latch: opens for good when it has been counted down to zero.
// Layer: L1 coro
//
// The word holds twice the count, and the bit `waited`.
//
// 1. The queue is not empty => the bit is set and the count is not zero. The bit is set by the waiter
//    that joins, under the room's lock, while the count is not zero; while it is set, the count
//    becomes zero under that lock only. So the last count_down either comes before the waiter's
//    compare-exchange, which then finds zero, or finds the bit and the waiter behind it: no wake-up is
//    lost (waiting_room.hpp, 1).
// 2. Whoever sees zero may destroy the latch: a count_down touches nothing behind that but the room's
//    lock, for which the destructor waits (waiting_room.hpp, 5).
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/room_awaiter.hpp>
#include <aloft/detail/coro/waiting_room.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>

namespace aloft::inline ALOFT_ABI {

/// Purpose: lets tasks wait until a number of things have happened, once.
///
/// Thread safety: every member may be called on any thread; wait() and arrive_and_wait() are awaited
/// in tasks.
/// Lifetime: must outlive its waiters. Whoever has seen it open may destroy it, even if the last
/// count_down() has not returned yet.
/// Errors: those of cancellation. Counting below zero, or destroying it while tasks wait, ends the
/// program with a sentence.
/// Cancellation: a wait() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled. arrive_and_wait() of such a task counts down even so, because the
/// others wait for that.
/// Cost: a load to wait for an open latch, one compare-exchange to count down, a short lock where
/// tasks wait; a wait allocates nothing.
class latch {
public:
    explicit latch(std::ptrdiff_t expected) noexcept
        : state_(static_cast<std::size_t>(expected) * one) {
        detail::require(expected >= 0, "a latch was made with a negative count");
    }

    [[nodiscard]] static constexpr std::ptrdiff_t(max)() noexcept { return PTRDIFF_MAX; }

    class [[nodiscard]] wait_awaiter : public detail::room_awaiter<latch> {
    public:
        using room_awaiter::room_awaiter;
        void await_resume() { resume_or_throw(); }
    };

    class [[nodiscard]] arrive_awaiter : public wait_awaiter {
    public:
        arrive_awaiter(latch& l, std::ptrdiff_t n) noexcept : wait_awaiter(l), count_(n) {}

        template <class Promise>
        ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
            owner_->count_down(count_);
            return wait_awaiter::await_suspend(self); // PUBLISHED if true
        }

    private:
        std::ptrdiff_t count_;
    };

    void count_down(std::ptrdiff_t n = 1) noexcept {
        const std::size_t down = static_cast<std::size_t>(n) * one;
        std::size_t state = state_.load(std::memory_order_relaxed);
        do {
            detail::require(n >= 0 && down <= state, "a latch was counted down below zero");
            if (state - down == waited) {
                open(down);
                return;
            }
            // order(latch.state): acq_rel; what came before becomes visible to those who wait
        } while (!state_.compare_exchange_weak(state, state - down, std::memory_order_acq_rel,
                                               std::memory_order_relaxed)); // PUBLISHED
    }

    /// Whether it is open.
    [[nodiscard]] bool try_wait() const noexcept {
        // order(latch.state): acquire; what came before count_down() becomes visible
        return state_.load(std::memory_order_acquire) < one;
    }

    /// Waits until it is open.
    [[nodiscard]] wait_awaiter wait() noexcept { return wait_awaiter(*this); }

    /// count_down(n), and then wait().
    [[nodiscard]] arrive_awaiter arrive_and_wait(std::ptrdiff_t n = 1) noexcept {
        return arrive_awaiter(*this, n);
    }

private:
    template <class>
    friend class detail::room_awaiter;

    static constexpr const char* name = "latch";
    static constexpr std::size_t waited = 1;
    static constexpr std::size_t one = 2; // to count down

    [[nodiscard]] bool take_at_once(std::uint8_t) const noexcept { return try_wait(); }

    [[nodiscard]] bool take_in_room(std::uint8_t) noexcept {
        std::size_t state = state_.load(std::memory_order_relaxed);
        while (state >= one && (state & waited) == 0) {
            if (state_.compare_exchange_weak(state, state | waited, std::memory_order_relaxed)) {
                return false;
            }
        }
        return try_wait();
    }

    /// Counts down to zero where somebody may wait.
    ALOFT_NOINLINE void open(std::size_t down) noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard inside(room_.lock());
            // order(latch.state): acq_rel; what came before becomes visible to those who wait
            const std::size_t state = state_.exchange(0, std::memory_order_acq_rel);
            detail::require(state == (down | waited), "a latch was counted down below zero");
            room_.give_all(woken);
        } // PUBLISHED
        detail::waiting_room::resume_all(woken);
    }

    detail::atomic<std::size_t> state_;
    detail::waiting_room room_; // its destructor runs first
};

} // namespace aloft::inline ALOFT_ABI

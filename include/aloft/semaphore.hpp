// SPDX-License-Identifier: MIT
// semaphore: a number of permits that tasks wait for in the order of their coming.
// Layer: L1 coro
//
// The word holds twice the number of permits, and the bit `waited`.
//
// 1. The queue is not empty => the word is `waited`, with no permits. The bit is set by the waiter
//    that joins, under the room's lock, from a word without permits; while it is set the word
//    changes under that lock only. So a release either comes before the waiter's compare-exchange,
//    which then finds a permit and takes it, or finds the bit and the waiter behind it: no waiter is
//    left asleep beside a free permit, and no wake-up is lost (waiting_room.hpp, 1).
// 2. A woken waiter owns its permit already; nobody barges in.
// 3. Whoever takes the last permit that was released may destroy the semaphore: a release touches
//    nothing behind that but the room's lock, for which the destructor waits (waiting_room.hpp, 5).
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/room_awaiter.hpp>
#include <aloft/detail/coro/waiting_room.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace aloft::inline ALOFT_ABI {

/// Purpose: limits how many tasks are somewhere at once.
///
/// Thread safety: every member may be called on any thread; acquire() is awaited in tasks.
/// Lifetime: must outlive its waiters.
/// Errors: those of cancellation. Destroying it while tasks wait ends the program with a sentence.
/// Cancellation: an acquire() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled and takes no permit.
/// Cost: one compare-exchange where nobody has to wait, a short lock otherwise; a wait allocates
/// nothing.
class semaphore {
public:
    /// At most max().
    explicit semaphore(std::size_t permits) noexcept : state_(permits * one) {}

    [[nodiscard]] static constexpr std::size_t(max)() noexcept { return SIZE_MAX / one; }

    class [[nodiscard]] acquire_awaiter : public detail::room_awaiter<semaphore> {
    public:
        using room_awaiter::room_awaiter;
        void await_resume() { resume_or_throw(); }
    };

    /// Waits for a permit and takes it.
    [[nodiscard]] acquire_awaiter acquire() noexcept { return acquire_awaiter(*this); }

    /// Takes a permit if there is one.
    [[nodiscard]] bool try_acquire() noexcept { return take_at_once(); }

    /// Gives `permits` back; those who wait longest get them.
    void release(std::size_t permits = 1) noexcept {
        std::size_t state = state_.load(std::memory_order_relaxed);
        while ((state & waited) == 0) {
            // order(semaphore.state): release; what came before becomes visible to who takes them
            if (state_.compare_exchange_weak(state, state + permits * one,
                                             std::memory_order_release,
                                             std::memory_order_relaxed)) {
                return; // PUBLISHED
            }
        }
        release_to_waiters(permits);
    }

private:
    template <class>
    friend class detail::room_awaiter;

    static constexpr const char* name = "semaphore";
    static constexpr std::size_t waited = 1;
    static constexpr std::size_t one = 2; // permit

    [[nodiscard]] bool take_at_once(std::uint8_t = 0) noexcept {
        std::size_t state = state_.load(std::memory_order_relaxed);
        while (state >= one) {
            // order(semaphore.state): acquire; what came before the release becomes visible
            if (state_.compare_exchange_weak(state, state - one, std::memory_order_acquire,
                                             std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }

    [[nodiscard]] bool take_in_room(std::uint8_t = 0) noexcept {
        std::size_t state = 0;
        while (!state_.compare_exchange_weak(state, waited, std::memory_order_relaxed)) {
            if (take_at_once()) {
                return true;
            }
            if (state == waited) {
                return false;
            }
            state = 0;
        }
        return false;
    }

    ALOFT_NOINLINE void release_to_waiters(std::size_t permits) noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard inside(room_.lock());
            for (; permits > 0 && !room_.empty(); --permits) {
                room_.give(*room_.first(), woken);
            }
            if (room_.empty()) {
                const std::size_t bit = state_.load(std::memory_order_relaxed) & waited;
                // order(semaphore.state): release; what came before becomes visible
                state_.fetch_add(permits * one - bit, std::memory_order_release);
            }
        } // PUBLISHED
        detail::waiting_room::resume_all(woken);
    }

    detail::atomic<std::size_t> state_;
    detail::waiting_room room_; // its destructor runs first
};

} // namespace aloft::inline ALOFT_ABI

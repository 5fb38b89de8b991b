// SPDX-License-Identifier: MIT
// event: a door that stays open once it is set, until it is reset.
// Layer: L1 coro
//
//   unset --set--> set --reset--> unset
//   unset --somebody joins the queue--> waited --set--> set     and all who wait are resumed
//
// 1. The queue is not empty => the word is `waited`. It becomes that from `unset`, under the room's
//    lock, by the waiter that joins; from then on it changes under that lock only. So a set() either
//    comes before the waiter's compare-exchange, which then finds the event set, or finds `waited`
//    and the waiter behind it: no wake-up is lost (waiting_room.hpp, 1).
// 2. A set() of an event that is set is a read-modify-write all the same. So whoever resets the event
//    afterwards, or sees it set, sees what came before that set() as well: one who resets, looks and
//    waits does not miss what he was to be told.
// 3. Whoever sees the event set may destroy it: a set() touches nothing behind that but the room's
//    lock, for which the destructor waits (waiting_room.hpp, 5).
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/room_awaiter.hpp>
#include <aloft/detail/coro/waiting_room.hpp>

#include <atomic>
#include <cstdint>

namespace aloft::inline ALOFT_ABI {

/// Purpose: tells any number of tasks that something has happened (C#'s ManualResetEvent).
///
/// Thread safety: every member may be called on any thread; wait() is awaited in tasks.
/// Lifetime: must outlive its waiters. Whoever has seen it set may destroy it, even if the set() has
/// not returned yet.
/// Errors: those of cancellation. Destroying it while tasks wait ends the program with a sentence.
/// Cancellation: a wait() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled.
/// Cost: a load to wait for a set event, one compare-exchange to set one that nobody waits for, a
/// short lock otherwise; a wait allocates nothing.
class event {
public:
    event() noexcept = default;
    explicit event(bool is_set) noexcept : state_(is_set ? signaled : unset) {}

    class [[nodiscard]] wait_awaiter : public detail::room_awaiter<event> {
    public:
        using room_awaiter::room_awaiter;
        void await_resume() { resume_or_throw(); }
    };

    /// Waits until the event is set.
    [[nodiscard]] wait_awaiter wait() noexcept { return wait_awaiter(*this); }

    [[nodiscard]] bool is_set() const noexcept {
        // order(event.state): acquire; what came before set() becomes visible
        return state_.load(std::memory_order_acquire) == signaled;
    }

    /// Resumes all who wait; whoever waits from now on goes on at once.
    void set() noexcept {
        std::uint32_t state = state_.load(std::memory_order_relaxed);
        while (state != waited) {
            // order(event.state): release; what came before becomes visible
            if (state_.compare_exchange_weak(state, signaled, std::memory_order_release,
                                             std::memory_order_relaxed)) {
                return; // PUBLISHED
            }
        }
        set_waited();
    }

    /// Whoever waits from now on waits for the next set().
    void reset() noexcept {
        std::uint32_t state = signaled;
        // order(event.state): acquire; what came before set() becomes visible
        state_.compare_exchange_strong(state, unset, std::memory_order_acquire,
                                       std::memory_order_relaxed);
    }

private:
    template <class>
    friend class detail::room_awaiter;

    static constexpr const char* name = "event";
    static constexpr std::uint32_t unset = 0;
    static constexpr std::uint32_t waited = 1;
    static constexpr std::uint32_t signaled = 2;

    [[nodiscard]] bool take_at_once(std::uint8_t) const noexcept { return is_set(); }

    [[nodiscard]] bool take_in_room(std::uint8_t) noexcept {
        std::uint32_t state = unset;
        // order(event.state): acquire; what came before set() becomes visible. That is the failure's
        // order; g++ 12 takes a weaker one for the success for a mistake, and warns.
        while (!state_.compare_exchange_weak(state, waited, std::memory_order_acquire,
                                             std::memory_order_acquire)) {
            if (state != unset) {
                break;
            }
        }
        return state == signaled;
    }

    ALOFT_NOINLINE void set_waited() noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard inside(room_.lock());
            room_.give_all(woken);
            // order(event.state): release; what came before becomes visible
            state_.exchange(signaled, std::memory_order_release);
        } // PUBLISHED
        detail::waiting_room::resume_all(woken);
    }

    detail::atomic<std::uint32_t> state_{unset};
    detail::waiting_room room_; // its destructor runs first
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// auto_event: each set() lets one waiter through; one is remembered if nobody waits.
// Layer: L1 coro
//
//   unset --set--> set --a waiter takes it, or reset--> unset
//   unset --somebody joins the queue--> waited --set--> waited, unset     given to the first waiter
//
// 1. The queue is not empty => the word is `waited`. It becomes that from `unset`, under the room's
//    lock, by the waiter that joins; from then on it changes under that lock only. So a set() either
//    comes before the waiter's compare-exchange, which then finds the event set and takes it, or finds
//    `waited` and the waiter behind it: no wake-up is lost (waiting_room.hpp, 1).
// 2. A set() of an event that is set is a read-modify-write all the same, and so is taking it. So
//    whoever takes the one that is remembered sees what came before all of those set()s: a producer
//    that puts something down and sets, and a consumer that waits and then looks at everything, never
//    miss each other (the two variables are what was put down and the word).
// 3. Whoever is let through may destroy the event: a set() touches nothing behind that but the room's
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

/// Purpose: wakes one task at a time (C#'s AutoResetEvent): "there is something to do; look".
///
/// Thread safety: every member may be called on any thread; wait() is awaited in tasks.
/// Lifetime: must outlive its waiters.
/// Errors: those of cancellation. Destroying it while tasks wait ends the program with a sentence.
/// Cancellation: a wait() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled and takes nothing.
/// Cost: one compare-exchange where nobody has to wait, a short lock otherwise; a wait allocates
/// nothing.
class auto_event {
public:
    auto_event() noexcept = default;
    explicit auto_event(bool is_set) noexcept : state_(is_set ? signaled : unset) {}

    class [[nodiscard]] wait_awaiter : public detail::room_awaiter<auto_event> {
    public:
        using room_awaiter::room_awaiter;
        void await_resume() { resume_or_throw(); }
    };

    /// Waits for a set(), and uses it up.
    [[nodiscard]] wait_awaiter wait() noexcept { return wait_awaiter(*this); }

    /// Uses up the set() that is remembered, if there is one.
    [[nodiscard]] bool try_wait() noexcept { return take_at_once(); }

    /// Whether a set() is remembered.
    [[nodiscard]] bool is_set() const noexcept {
        // order(auto_event.state): acquire; what came before set() becomes visible
        return state_.load(std::memory_order_acquire) == signaled;
    }

    /// Lets the first waiter through, or the next to come. Several without a waiter count as one.
    void set() noexcept {
        std::uint32_t state = state_.load(std::memory_order_relaxed);
        while (state != waited) {
            // order(auto_event.state): release; what came before becomes visible
            if (state_.compare_exchange_weak(state, signaled, std::memory_order_release,
                                             std::memory_order_relaxed)) {
                return; // PUBLISHED
            }
        }
        set_waited();
    }

    /// Forgets the set() that is remembered.
    void reset() noexcept { (void)take_at_once(); }

private:
    template <class>
    friend class detail::room_awaiter;

    static constexpr const char* name = "auto_event";
    static constexpr std::uint32_t unset = 0;
    static constexpr std::uint32_t waited = 1;
    static constexpr std::uint32_t signaled = 2;

    [[nodiscard]] bool take_at_once(std::uint8_t = 0) noexcept {
        std::uint32_t expected = signaled;
        // order(auto_event.state): acquire; what came before set() becomes visible
        return state_.compare_exchange_strong(expected, unset, std::memory_order_acquire,
                                              std::memory_order_relaxed);
    }

    [[nodiscard]] bool take_in_room(std::uint8_t) noexcept {
        std::uint32_t state = unset;
        while (!state_.compare_exchange_weak(state, waited, std::memory_order_relaxed)) {
            if (state == waited) {
                return false;
            }
            if (state == signaled && take_at_once()) {
                return true;
            }
            state = unset;
        }
        return false;
    }

    ALOFT_NOINLINE void set_waited() noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard inside(room_.lock());
            if (room_.empty()) { // all who waited have given up, or another set() woke the last one
                // order(auto_event.state): release; what came before becomes visible
                state_.exchange(signaled, std::memory_order_release);
                return;
            }
            room_.give(*room_.first(), woken);
            if (room_.empty()) {
                state_.store(unset, std::memory_order_relaxed);
            }
        } // PUBLISHED
        detail::waiting_room::resume_all(woken);
    }

    detail::atomic<std::uint32_t> state_{unset};
    detail::waiting_room room_; // its destructor runs first
};

} // namespace aloft::inline ALOFT_ABI

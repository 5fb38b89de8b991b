// SPDX-License-Identifier: MIT
// semaphore: a number of permits that tasks wait for in the order of their coming.
// Layer: L1 coro
//
// Under the room's lock, always: permits_ == 0 or nobody waits. acquire takes a permit or joins the
// queue in one critical section, release gives to the queue or adds in one, so no waiter can be
// left asleep beside a free permit: no wake-up is lost. A woken waiter owns its permit already;
// nobody barges in. How waiters are stopped: detail/coro/waiting_room.hpp.
#pragma once

#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/error.hpp>

#include <coroutine>
#include <cstddef>

namespace aloft::inline ALOFT_ABI {

/// Purpose: limits how many tasks are somewhere at once.
///
/// Thread safety: every member may be called on any thread; acquire() is awaited in tasks.
/// Lifetime: must outlive its waiters.
/// Errors: those of cancellation.
/// Cancellation: an acquire() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled and takes no permit.
/// Cost: one short lock; a wait allocates nothing.
class semaphore {
public:
    explicit semaphore(std::size_t permits) noexcept : permits_(permits) {}

    class [[nodiscard]] acquire_awaiter : detail::room_waiter {
    public:
        explicit acquire_awaiter(semaphore& s) noexcept : semaphore_(&s) {}
        acquire_awaiter(acquire_awaiter&& other) noexcept // only before it is awaited
            : room_waiter(), semaphore_(other.semaphore_) {}
        ~acquire_awaiter() { detail::waiting_room::forget(*this); }

        [[nodiscard]] bool await_ready() const noexcept { return false; }

        template <class Promise>
        ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
            return semaphore_->room_.wait(
                *this, self, detail::environment_of(self), [s = semaphore_] { return s->take(); },
                "semaphore"); // PUBLISHED if true
        }

        void await_resume() {
            if (!detail::waiting_room::resumed(*this)) [[unlikely]] {
                detail::throw_error(canceled_error(), "semaphore");
            }
        }

    private:
        semaphore* semaphore_;
    };

    /// Waits for a permit and takes it.
    [[nodiscard]] acquire_awaiter acquire() noexcept { return acquire_awaiter(*this); }

    /// Takes a permit if there is one.
    [[nodiscard]] bool try_acquire() noexcept {
        const detail::spin_guard guard(room_.lock());
        return take();
    }

    /// Gives `permits` back; those who wait longest get them.
    void release(std::size_t permits = 1) noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard guard(room_.lock());
            for (; permits > 0 && !room_.empty(); --permits) {
                room_.give(*room_.first(), woken);
            }
            permits_ += permits;
        }
        detail::waiting_room::resume_all(woken);
    }

private:
    [[nodiscard]] bool take() noexcept {
        if (permits_ == 0) {
            return false;
        }
        --permits_;
        return true;
    }

    detail::waiting_room room_;
    std::size_t permits_;
};

} // namespace aloft::inline ALOFT_ABI

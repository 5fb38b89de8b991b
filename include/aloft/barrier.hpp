// SPDX-License-Identifier: MIT
// barrier: a group of tasks that wait for one another, phase after phase.
// Layer: L1 coro
//
//   phase:  n tasks wait --arrive_and_wait, n + 1 < expected--> n + 1 tasks wait
//           all but one wait --the last one arrives--> complete --> next phase, nobody waits
//
// 1. Who has arrived in this phase is who stands in the queue: there is no other count. So a waiter
//    that is stopped, or whose frame is destroyed, has not arrived, whoever took it out of the queue.
// 2. Queue and `expected_` are read and changed under the room's lock: n < expected, or both are 0.
//    Whoever would make them equal takes all waiters out in the same critical section, so that no two
//    see themselves as the last one, none is left behind, and no wake-up is lost. From then on they
//    have arrived, stopped or not.
// 3. The completion function runs behind the lock, before anybody is resumed: nobody can arrive while
//    it runs, for all who might are among those who wait for it.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/error.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

struct no_completion {
    void operator()() const noexcept {}
};

} // namespace detail

/// Purpose: lets `expected` tasks go on when all of them have arrived, again and again. The last one
/// calls the completion function of the phase, if there is one, before any of them goes on.
///
/// Thread safety: every member may be called on any thread; arrive_and_wait() is awaited in tasks.
/// Lifetime: must outlive its waiters.
/// Errors: those of cancellation. The completion function must not throw. Arriving at a barrier that
/// expects nobody, or destroying it while tasks wait, ends the program with a sentence.
/// Cancellation: an arrive_and_wait() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled and has then not arrived: the task may arrive again, or leave with
/// arrive_and_drop() so that the others can go on.
/// Cost: one short lock; a wait allocates nothing.
template <class CompletionFunction = detail::no_completion>
class barrier {
    static_assert(std::is_nothrow_invocable_v<CompletionFunction&>,
                  "a barrier's completion function is noexcept and takes nothing");

public:
    explicit barrier(std::ptrdiff_t expected, CompletionFunction completion = {})
        : expected_(static_cast<std::size_t>(expected)), completion_(std::move(completion)) {
        detail::require(expected >= 0 && expected <= (max)(),
                        "a barrier was made for a number of tasks out of range");
    }
    barrier(const barrier&) = delete;
    barrier& operator=(const barrier&) = delete;
    ~barrier() = default;

    [[nodiscard]] static constexpr std::ptrdiff_t(max)() noexcept { return (1 << 30) - 1; }

    class [[nodiscard]] arrive_awaiter : detail::room_waiter {
    public:
        explicit arrive_awaiter(barrier& b) noexcept : barrier_(&b) {}
        arrive_awaiter(arrive_awaiter&& other) noexcept // only before it is awaited
            : room_waiter(), barrier_(other.barrier_) {}
        ~arrive_awaiter() { detail::waiting_room::forget(*this); }

        [[nodiscard]] bool await_ready() const noexcept { return false; }

        template <class Promise>
        ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
            barrier& b = *barrier_;
            detail::work_list woken;
            bool last = false;
            const bool waits = b.room_.wait(
                *this, self, detail::environment_of(self),
                [&] { return last = b.complete_with(1, woken); }, "barrier"); // PUBLISHED if true
            if (last) {
                b.completion_();
                detail::waiting_room::resume_all(woken);
            }
            return waits;
        }

        void await_resume() {
            if (!detail::waiting_room::resumed(*this)) [[unlikely]] {
                detail::throw_error(canceled_error(), "barrier");
            }
        }

    private:
        barrier* barrier_;
    };

    /// Arrives, and waits until all have.
    [[nodiscard]] arrive_awaiter arrive_and_wait() noexcept { return arrive_awaiter(*this); }

    /// Arrives for this phase without waiting, and is not expected in the later ones.
    void arrive_and_drop() noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard inside(room_.lock());
            detail::require(expected_ > 0, "more tasks arrived at a barrier than it expects");
            --expected_;
            if (!complete_with(0, woken)) {
                return;
            }
        }
        completion_();
        detail::waiting_room::resume_all(woken);
    }

private:
    /// Under the lock. True: with `arriving` more, all have arrived.
    [[nodiscard]] bool complete_with(std::size_t arriving, detail::work_list& woken) noexcept {
        detail::require(expected_ >= arriving, "more tasks arrived at a barrier than it expects");
        if (room_.size() + arriving < expected_) {
            return false;
        }
        room_.give_all(woken);
        return true;
    }

    std::size_t expected_;
    [[no_unique_address]] CompletionFunction completion_;
    detail::waiting_room room_; // its destructor runs first
};

} // namespace aloft::inline ALOFT_ABI

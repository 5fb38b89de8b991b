// SPDX-License-Identifier: MIT
// strand: an executor on which coroutines run one at a time, in the order in which they become ready.
// Layer: L1 coro
//
// The queue, and why no wake-up is lost: detail/coro/strand_core.hpp.
#pragma once

#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/strand_core.hpp>

#include <concepts>

namespace aloft::inline ALOFT_ABI {

/// Purpose: a serial executor on a runtime's pool, for coroutines that share data without a lock.
/// `co_await run_on(s, task)`, `spawn(s, task)`, `sync_wait(s, task)` and `co_await resume_on(s)` bring
/// coroutines onto it. Those on it run one at a time, on whichever worker is free, each from one
/// suspension point to the next, and first come, first served: in the order in which they became
/// ready. Whatever they wait for (operations, sleeps, locks, channels, offloaded calls), they go on on
/// the strand; what they await, fork or spawn runs on the strand, too.
///
/// It is no lock: other coroutines have their turns while one waits. A coroutine that runs on and on
/// keeps the others of the strand waiting, like the worker that it runs on.
///
/// Thread safety: may be used from any thread at once.
/// Lifetime: its runtime must outlive it, and it must outlive the tasks on it: destroying it before
/// they have ended, or by one of them, ends the program with a sentence that says so. The runtime's
/// destructor cancels and joins tasks on strands as it does others.
/// Errors: the constructor without arguments throws std::system_error where there is no runtime.
/// Cancellation: none of its own.
/// Cost: no thread and no memory of its own. A turn costs an atomic operation on one word, and a trip
/// through the pool's queue where the strand was idle. Operations and sleeps take a small recycled
/// record, and on their end that trip.
class strand : public detail::task_place {
public:
    /// On the runtime that this thread works for, or else on the default runtime.
    strand() : task_place(), core_(*detail::need_environment("strand").exec, root_) {}

    /// On a runtime of your choice.
    template <std::derived_from<detail::environment_owner> Runtime>
    explicit strand(Runtime& rt) noexcept
        : task_place(), core_(*rt.root_environment().exec, root_) {}

    strand(const strand&) = delete;
    strand& operator=(const strand&) = delete;
    ~strand() = default;

    /// Whether the caller runs on this strand.
    [[nodiscard]] bool runs_here() const noexcept {
        return detail::current_environment() == &root_environment();
    }

private:
    detail::strand_core core_;
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// The part of a worker that looks after operations and timers: it hands over, collects, and decides
// what is worth a system call of its own.
// Layer: L3 runtime
//
// A call that ends at once (a read of a file that is cached) can be made where it is wanted, or go to
// the kernel with others. Of its own it costs one system call, 0.2 to 1.2 us, and its task goes on;
// with others it costs a share of one, but its task waits for that: until this worker has nothing
// ready, or submits because it has been busy for long. So it goes with others
//
// 1. if there are others: operations that have not been handed over, or tasks that run here next; and
// 2. if that will be soon: tasks have turned out to take some 5 us at most (worker::look_around).
//
// A task that makes such calls itself would seem to take long by them, and then they would never go
// with others: among others it makes one of them in a run, and goes on behind those with its result.
// Where nothing is handed over in batches (reactor::joins_batch) it makes 64.
//
// On epoll an operation that need not wait ends where its task's worker submits it, and the task goes
// on: what the call has brought into the cache is used at once. A task that never has to wait goes
// behind the others after eight of these, or fewer beside attempts.
#pragma once

#include <aloft/detail/runtime/worker.hpp>

#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

inline bool worker::collect_io() noexcept {
    if (shared_.stopping.load(std::memory_order_relaxed)) [[unlikely]] {
        return look_after_io();
    }
    adopt_foreign();
    work_list finished;
    reactor_->collect(finished);
    if (!timers_.empty()) {
        timers_.collect(now_ns(), finished);
    }
    return distribute(std::move(finished));
}

inline bool worker::look_after_io() noexcept {
    work_list finished;
    if (shared_.stopping.load(std::memory_order_relaxed)) [[unlikely]] {
        if (const clock_ns now = now_ns(); now >= refuse_next_) {
            refuse_next_ = now + refuse_interval;
            reactor_->refuse_all();
            timers_.refuse_all(finished);
        }
    }
    adopt_foreign();
    reactor_->poll(finished, 0);
    if (!timers_.empty()) {
        timers_.collect(now_ns(), finished);
    }
    return distribute(std::move(finished));
}

inline void worker::adopt_foreign() noexcept {
    if (shared_.foreign.empty()) [[likely]] {
        return;
    }
    work_list operations;
    work_list sleepers;
    shared_.foreign.take(operations, sleepers);
    while (work_node* const node = operations.pop()) {
        reactor_->submit(static_cast<operation&>(*node));
    }
    while (work_node* const node = sleepers.pop()) {
        if (!timers_.add(static_cast<timer&>(*node))) {
            push_ready(*node);
        }
    }
}

inline bool worker::submit(operation& op) noexcept {
    if (budget_ < price_of_operation) {
        reactor_->submit(op);
        return false;
    }
    if (!reactor_->submit_or_end(op)) {
        return false;
    }
    budget_ -= price_of_operation;
    return true;
}

inline bool worker::call_joins_batch() const noexcept {
    return runs_are_short && reactor_->joins_batch(holds_runnable());
}

inline bool worker::spend_budget() noexcept {
    if (budget_ > budget_among_others && reactor_->joins_batch(holds_runnable())) {
        budget_ = budget_among_others;
    }
    return budget_ > 0 && budget_-- > 0;
}

} // namespace aloft::inline ALOFT_ABI::detail

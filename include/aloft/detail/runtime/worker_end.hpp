// SPDX-License-Identifier: MIT
// How a worker stops to take part: a spare one when hogs are over, all of them when the runtime ends.
// Layer: L3 runtime
//
// Proof that all workers leave: a worker looks whether every task has ended each time it goes to
// sleep while the runtime stops, so the last one that ends a task does; and whoever finds it wakes
// everybody (scheduler.hpp has the order of events).
//
// Proof that nothing is left behind: coroutines that are no tasks of the library may wait in a worker
// when all tasks have ended. What it refuses goes into its own queue; it does not leave before that and
// what it waits for are empty. In a spare one they may wait, too. Dormant, it gives away what becomes ready and then, behind a fence,
// looks whether the runtime has terminated: then it takes what lies there and runs it itself. A worker
// that leaves looks at `terminated` and then, behind a fence, whether there is work. One of the two sees
// the other.
// What the watcher takes out of a stuck worker, or somebody who stops a sleep out of its timers, is not in
// flight any more and not in a queue yet. The helper counts itself in `helping`, passes a fence, takes, puts
// all into the inject queue, and counts itself out. A worker that finds nothing in flight, because a helper
// has it, and then, behind a fence, looks at `helping`, finds it counted, and stays; or finds it counted out,
// and then sees the queue. Who stays for that reason is woken by the helper, which looks at `terminated`
// behind a fence after it has counted itself out: a sleeper is listed, passes a fence, and looks at `helping`
// once more, so one of the two sees the other; a dormant worker's wake-up is kept until it parks.
#pragma once

#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/runtime/worker.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

inline bool worker::take_part() noexcept {
    // order(worker.active): acquire; pairs with activate
    while (!active_.load(std::memory_order_acquire)) {
        const bool stopping = shared_.stopping.load(std::memory_order_seq_cst);
        if (stopping) {
            look_after_io();
            give_away();
            terminate_if_done();
        }
        full_fence(); // what was given away against `terminated`
        if (shared_.terminated.load(std::memory_order_seq_cst)) {
            run_what_is_left();
            if (nothing_will_come()) {
                return false;
            }
            if (!shared_.inject.empty()) {
                continue;
            }
        }
        work_list finished;
        park(finished,
             stopping ? (std::min)(timers_.next(), now_ns() + refuse_interval) : timers_.next());
        (void)distribute(std::move(finished));
        give_away();
    }
    return true;
}

inline bool worker::nothing_will_come() const noexcept {
    if (reactor_->in_flight() != 0 || !timers_.empty() || holds_runnable()) {
        return false;
    }
    full_fence(); // what is in flight against `helping`
    // order(worker.helping): acquire; what the helper took is in the inject queue
    return shared_.helping.load(std::memory_order_acquire) == 0 && shared_.inject.empty();
}

inline void worker::begin_helping(shared_work& shared) noexcept {
    shared.helping.fetch_add(1, std::memory_order_relaxed);
    full_fence(); // against what is in flight
}

inline void worker::end_helping(shared_work& shared) noexcept {
    // order(worker.helping): release; what was taken is in the inject queue
    shared.helping.fetch_sub(1, std::memory_order_release);
    full_fence(); // `helping` against `terminated`, and against who sleeps
    if (shared.terminated.load(std::memory_order_seq_cst)) [[unlikely]] {
        wake_everybody(shared);
    }
}

inline void worker::run_what_is_left() noexcept {
    for (;;) {
        work_node* node = take_own();
        if (node == nullptr) {
            node = take_injected();
        }
        if (node == nullptr) {
            return;
        }
        budget_ = 0;
        allow_direct_runs(0);
        resume_chain(node->coroutine);
    }
}

inline void worker::retire() noexcept {
    if (std::exchange(searching_, false)) {
        (void)shared_.idle.end_search();
    }
    give_away();
    shared_.idle.leave();
    retired_ = true;
    // order(worker.active): release; what was given away is visible when it is activated again
    active_.store(false, std::memory_order_release);
    notify(shared_); // it may have been woken for somebody's work
}

inline void worker::give_away() noexcept {
    work_list rest;
    forks.take_oldest(rest, deque_capacity);
    while (work_node* const node = pop_ready()) {
        rest.push(*node);
    }
    if (!rest.empty()) {
        shared_.inject.push_all(std::move(rest));
        notify(shared_);
    }
}

inline void worker::terminate_if_done() noexcept {
    full_fence(); // own `ended` against the others'
    // order(task_count): acquire; what ended before is not counted as started later
    std::uint64_t ended = shared_.outside.ended.load(std::memory_order_seq_cst);
    for (const auto& each : shared_.workers) {
        ended += each->tasks.ended.load(std::memory_order_seq_cst);
    }
    std::uint64_t started = shared_.outside.started.load(std::memory_order_seq_cst);
    for (const auto& each : shared_.workers) {
        started += each->tasks.started.load(std::memory_order_seq_cst);
    }
    if (started == ended && !shared_.terminated.exchange(true, std::memory_order_seq_cst)) {
        wake_everybody(shared_);
    }
}

/// Each once, whether it sleeps, is about to, or is dormant: a wake-up is kept until the worker parks. Not
/// those in the list of sleepers until it is empty: who goes back to sleep meanwhile would be woken again,
/// and with many workers the list might never be empty.
inline void worker::wake_everybody(shared_work& shared) noexcept {
    for (worker* const each : shared.workers) {
        each->wake();
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

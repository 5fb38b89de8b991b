// SPDX-License-Identifier: MIT
// How a worker mixes the three classes of work: high before normal before background, none starves.
// Layer: L3 runtime
//
// Normal work is in the workers' own queues and the inject queue; the two other classes have a queue
// each that all workers share (lane.hpp). Who never uses them pays nothing: the word that tells a
// worker to look after its fairness round, attention_, says also that high work waits.
//
// 1. While the worker knows of high work, it takes from there at each look for work, but for these: of
//    64 looks one is background's, if there is any, and three more are normal's; and in every fourth
//    fairness round one item each comes from the inject queue and background's queue, and the oldest
//    fork has its turn there or, where that was a tree, in every 32nd. Four children that go on where
//    their siblings ended count as one look.
//    So the oldest background item waits for at most 64 looks of one worker that finds high work each
//    time, and normal work gets one look of 16 at least. Where there is only normal work, background
//    gets an item in four fairness rounds, of at most 256 looks each: the bound is 1024 looks. What is
//    behind n others of its class waits for n times that, and the workers look side by side.
// 2. High work is not overlooked by a busy worker. Who posts it makes it visible in the queue, passes
//    a fence, and sets high_waits in every worker in which it is not set. A worker clears the bit when
//    it has found the queue empty, passes a fence, and looks at the queue once more. If the poster
//    found the bit set, either the worker clears it later, and sees the work; or it had been set again
//    before. One that begins has it set.
// 3. For workers that search or sleep the lanes are queues like others: they are part of what a
//    sleeper looks at behind its fence, and who posts passes one and wakes somebody (idle.hpp).
// 4. Background work is taken where this worker, the inject queue, and, at a glance, everybody else
//    have nothing to run; and, if the search for it comes back empty, in any case.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/runtime/worker.hpp>

#include <atomic>

namespace aloft::inline ALOFT_ABI::detail {

ALOFT_NOINLINE inline work_node* worker::attend() noexcept {
    const unsigned char seen = attention_.load(std::memory_order_relaxed);
    work_node* node = nullptr;
    if (tick_ >= next_look_ || (seen & look_wanted) != 0) {
        node = look_around();
    }
    if (node == nullptr && (seen & high_waits) != 0) {
        node = take_high();
    }
    return node;
}

inline work_node* worker::take_high() noexcept {
    ++high_turns_;
    work_node* node = nullptr;
    if (high_turns_ % 64 == 0) {
        node = take_from(shared_.background);
    }
    if (node == nullptr && high_turns_ % 16 == 0) { // normal's turn, ready ones before newer forks
        return high_turns_ % 32 == 0 ? pop_ready() : nullptr;
    }
    if (node == nullptr) {
        node = take_from(shared_.high);
    }
    if (shared_.high.empty()) {
        attention_.fetch_and(static_cast<unsigned char>(~high_waits), std::memory_order_relaxed);
        full_fence(); // attention_ against the queue, see 2
        if (!shared_.high.empty()) {
            attention_.fetch_or(high_waits, std::memory_order_relaxed);
        }
    }
    return node;
}

/// This worker has nothing of its own, and the inject queue is empty.
inline work_node* worker::take_from_lanes() noexcept {
    if (work_node* const node = take_from(shared_.high)) {
        return node;
    }
    return !shared_.background.empty() && !anybody_holds_runnable(shared_)
               ? take_from(shared_.background)
               : nullptr;
}

/// The search for anything else has found nothing.
inline work_node* worker::take_last_class() noexcept {
    return take_from(shared_.background);
}

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// The part of a worker that has nothing to do: it searches the others, and then it sleeps.
// Layer: L3 runtime
//
// The protocol and its proof: idle.hpp.
//
// Looking as often as possible is not the fastest. Where somebody makes tiny tasks visible one by
// one, who takes each of them at once makes both sides miss their caches several times for it, and
// the other's fences are full ones as long as somebody searches. So a worker that has found work
// elsewhere a few times in a row, and was done with it within a microsecond each time, lets some
// gather before it looks again. It counts as running meanwhile, as one that is inside a task, because
// whoever finds work stops searching, and the first look behind that takes found_at_: nobody relies on
// it, and it looks at everything before it sleeps.
#pragma once

#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/runtime/worker.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

inline work_node* worker::take_from_others() noexcept {
    let_work_gather();
    work_node* node = take_injected();
    if (node == nullptr) {
        node = take_from_lanes();
    }
    if (node == nullptr) {
        node = search();
    }
    if (node != nullptr) {
        found_at_ = now_ns();
    }
    return node;
}

inline void worker::let_work_gather() noexcept {
    if (found_at_ == 0) {
        return;
    }
    clock_ns now = now_ns();
    if (now - std::exchange(found_at_, 0) > short_find) {
        short_finds_ = 0;
    } else if (++short_finds_ > short_finds_before_pause) {
        const clock_ns end = now + gathering_time;
        while (now < end) {
            for (int i = 0; i < 8; ++i) {
                spin_pause();
            }
            now = now_ns();
        }
    }
}

inline work_node* worker::search() noexcept {
    const std::size_t workers = shared_.workers.size();
    if (workers == 1) {
        return nullptr;
    }
    if (searching_) {
        shared_.idle.begin_counted_search();
    } else if (!shared_.idle.begin_search()) {
        return nullptr;
    }
    searching_ = true;
    for (int attempt = 0; attempt < 4; ++attempt) {
        const std::size_t start = static_cast<std::size_t>(next_random()) % workers;
        for (std::size_t i = 0; i < workers; ++i) {
            worker& victim = shared_.workers[(start + i) % workers];
            if (&victim == this) {
                continue;
            }
            if (work_node* const node = rob(victim)) {
                return node;
            }
        }
        if (work_node* const node = take_injected()) {
            return node;
        }
    }
    return nullptr;
}

inline work_node* worker::rob(worker& victim) noexcept {
    if (!victim.ready.empty()) {
        if (work_node* const node = victim.ready.steal_half(ready)) {
            return node;
        }
    }
    if (!victim.forks.empty()) {
        if (work_node* const node = victim.forks.steal()) {
            return node;
        }
    }
    work_list finished;
    victim.reactor_->try_reap(finished);
    if (!victim.timers_.empty()) {
        victim.timers_.collect(now_ns(), finished);
    }
    work_node* const first = finished.pop();
    while (work_node* const node = finished.pop()) {
        push_ready(*node);
    }
    return first;
}

inline void worker::stop_searching() noexcept {
    searching_ = false;
    if (shared_.idle.end_search()) {
        notify(shared_);
    }
}

inline bool worker::spin() noexcept {
    bool found = look_after_io(); // hands over what was submitted: its answer is what we wait for
    const clock_ns begin = now_ns();
    clock_ns now = begin;
    while (!found && now - begin < spin_budget_ &&
           !shared_.stopping.load(std::memory_order_relaxed)) {
        activity_.store(++rounds_ * 2, std::memory_order_relaxed);
        for (int i = 0; i < 16; ++i) {
            spin_pause();
        }
        now = now_ns();
        found = collect_io() || work_visible(shared_);
    }
    spin_budget_ = found ? (std::min)(spin_budget_ * 2, shared_.spin_for)
                         : (std::max)(spin_budget_ / 2, shared_.spin_for / 16);
    return found;
}

inline bool worker::sleep() noexcept {
    const bool stopping = shared_.stopping.load(std::memory_order_seq_cst);
    if (stopping) {
        terminate_if_done();
    }
    const bool done = shared_.terminated.load(std::memory_order_seq_cst);
    if (done) {
        full_fence(); // `terminated` against what dormant workers give away: worker_end.hpp
        if (nothing_will_come()) {
            if (std::exchange(searching_, false)) {
                (void)shared_.idle.end_search();
            }
            return false;
        }
    }
    shared_.idle.sleep(index_, std::exchange(searching_, false));
    full_fence(); // the state against the queues: idle.hpp, 1
    if (stopping) {
        terminate_if_done(); // a thread outside may have counted and found nobody to wake
    }
    const bool not_refused_yet = stopping && refuse_next_ == 0; // the stop came just now
    if (not_refused_yet || work_visible(shared_) || (done && nothing_will_come()) ||
        stopping != shared_.stopping.load(std::memory_order_seq_cst) ||
        done != shared_.terminated.load(std::memory_order_seq_cst)) {
        shared_.idle.search_again(index_);
        searching_ = true;
        return true;
    }
    // What is asked to end is asked again while the runtime stops: cancelling is best effort.
    clock_ns deadline = timers_.next();
    if (stopping && reactor_->in_flight() > 0) {
        deadline = (std::min)(deadline, refuse_next_);
    }
    work_list finished;
    park(finished, deadline);
    searching_ = !shared_.idle.leave_sleep(index_);
    shared_.watch.worker_runs();
    (void)distribute(std::move(finished));
    return true;
}

inline void worker::park(work_list& finished, clock_ns deadline) noexcept {
    activity_.store(rounds_ * 2 + 1, std::memory_order_relaxed);
    reactor_->poll(finished, deadline);
    looked_at_ = 0;
    activity_.store(++rounds_ * 2, std::memory_order_relaxed);
    if (!timers_.empty()) {
        timers_.collect(now_ns(), finished);
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

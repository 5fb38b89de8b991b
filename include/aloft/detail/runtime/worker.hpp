// SPDX-License-Identifier: MIT
// One thread of the pool: where it looks for work, in which order, and how it goes to sleep.
// Layer: L3 runtime
//
// A round of next(): own deque or run queue; own answers and timers; the inject queue; other
// workers' queues, answers and timers; sleep. A fairness tick makes sure that none of them starves:
// every 16th round looks at answers and timers and hands submissions to the kernel, every 8th
// prefers the run queue, every 61st the inject queue, every 128th takes the oldest fork instead of
// the newest.
//
// 1. deque_, run_queue_, reactor_ and timers_ are used by the owner as owner; other workers use
//    only their members for other threads: a searching worker takes forks, ready work, answers and
//    due timers. Submissions that the kernel has not seen yet wait for their owner.
// 2. Whoever makes work visible calls notify() afterwards, except a coroutine that puts itself
//    behind the rest and suspends at once: its worker looks itself.
// 3. A worker leaves only when the runtime has terminated and nothing of its own is in flight, so
//    its thread outlives the operations that it submitted.
#pragma once

#include <aloft/detail/base/frame_allocator.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/transfer.hpp>
#include <aloft/detail/reactor/reactor.hpp>
#include <aloft/detail/reactor/timers.hpp>
#include <aloft/detail/runtime/shared_work.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class worker final : public local_worker {
public:
    worker(std::size_t index, shared_work& shared, std::unique_ptr<reactor> backend)
        : local_worker(*shared.exec, shared.idle.state()),
          shared_(shared),
          index_(index),
          random_(0x9E3779B97F4A7C15u * (index + 1)),
          reactor_(std::move(backend)) {}
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    [[nodiscard]] std::size_t index() const noexcept { return index_; }
    [[nodiscard]] shared_work& shared() noexcept { return shared_; }
    [[nodiscard]] bool stopping() const noexcept {
        return shared_.stopping.load(std::memory_order_relaxed);
    }

    // ---- any thread ----

    void wake() noexcept { reactor_->wake(); }

    /// Wakes a worker, if there is one asleep and nobody is searching.
    static void notify(shared_work& shared) noexcept {
        const std::size_t sleeper = shared.idle.wake_one();
        if (sleeper != idle_workers::nobody) {
            shared.workers[sleeper]->wake();
        }
    }

    // ---- the owner ----

    /// The deque is full: its older half, and then `node`, go to where everybody takes from.
    void spill_fork(work_node& node) noexcept {
        work_list moved;
        forks.take_oldest(moved, deque_capacity / 2);
        moved.push(node);
        shared_.inject.push_all(std::move(moved));
        published();
    }

    void post(work_node& node) noexcept {
        push_ready(node);
        published();
    }

    void post_all(work_list&& nodes) noexcept {
        while (work_node* const node = nodes.pop()) {
            push_ready(*node);
        }
        published();
    }

    void submit(operation& op) noexcept { reactor_->submit(op); }

    /// False: the runtime is stopping, and the timer has been marked as refused.
    [[nodiscard]] bool start_timer(timer& t) noexcept { return timers_.add(t); }

    /// Whether one more operation that completes at once may skip the scheduler.
    [[nodiscard]] bool spend_budget() noexcept { return budget_ > 0 && budget_-- > 0; }

    void run() noexcept {
        while (work_node* const node = next()) {
            budget_ = 64;
            const auto runs = static_cast<std::uint32_t>(next_look_ - tick_);
            direct_runs = runs;
            resume_chain(node->coroutine);
            tick_ += runs - direct_runs;
        }
        release_thread_frames();
    }

private:
    [[nodiscard]] work_node* next() noexcept {
        for (;;) {
            work_node* node = nullptr;
            if (++tick_ >= next_look_) {
                node = look_around();
            } else if (ready_first_ > 0) {
                --ready_first_;
                node = ready.pop();
            }
            if (node == nullptr) {
                node = take_own();
            }
            if (node == nullptr && look_after_io()) {
                node = take_own();
            }
            if (node == nullptr) {
                node = take_injected();
            }
            if (node == nullptr) {
                node = search();
            }
            if (node != nullptr) {
                if (searching_) {
                    stop_searching();
                }
                return node;
            }
            if (!sleep()) {
                return nullptr;
            }
        }
    }

    [[nodiscard]] work_node* take_own() noexcept {
        work_node* const node = forks.pop();
        return node != nullptr ? node : ready.pop();
    }

    /// The fairness round: answers, timers, and one item of those that newer ones keep waiting.
    [[nodiscard]] work_node* look_around() noexcept {
        look_after_io();
        const clock_ns now = now_ns();
        const clock_ns since = now - looked_at_;
        looked_at_ = now;
        if (since < look_often_enough) {
            look_interval_ = std::min(look_interval_ * 2, most_runs_between_looks);
        } else if (since > look_too_seldom) {
            look_interval_ = std::max(look_interval_ / 4, std::uint64_t{4});
        }
        next_look_ = tick_ + look_interval_;
        ready_first_ = 8;
        ++looks_;
        if (looks_ % 4 == 0) {
            return take_injected(1);
        }
        if (looks_ % 4 == 2) {
            work_list oldest;
            forks.take_oldest(oldest, 1);
            return oldest.pop();
        }
        return nullptr;
    }

    /// Submits, collects answers and due timers. True if something became ready.
    bool look_after_io() noexcept {
        if (shared_.stopping.load(std::memory_order_relaxed)) [[unlikely]] {
            if (const clock_ns now = now_ns(); now >= refuse_next_) {
                refuse_next_ = now + refuse_interval;
                refuse_all();
            }
        }
        adopt_foreign();
        work_list finished;
        reactor_->poll(finished, 0);
        if (!timers_.empty()) {
            timers_.collect(now_ns(), finished);
        }
        return distribute(std::move(finished));
    }

    bool distribute(work_list&& list) noexcept {
        if (list.empty()) {
            return false;
        }
        const bool others_needed = list.size() > 1 || !forks.empty() || !ready.empty();
        while (work_node* const node = list.pop()) {
            push_ready(*node);
        }
        if (others_needed) {
            published();
        }
        return true;
    }

    void push_ready(work_node& node) noexcept {
        if (ready.push(node)) [[likely]] {
            return;
        }
        work_list moved;
        for (std::size_t i = 0; i < run_queue_capacity / 2; ++i) {
            if (work_node* const oldest = ready.pop()) {
                moved.push(*oldest);
            }
        }
        moved.push(node);
        shared_.inject.push_all(std::move(moved));
    }

    [[nodiscard]] work_node* take_injected(std::size_t most = run_queue_capacity / 2) noexcept {
        if (shared_.inject.empty()) {
            return nullptr;
        }
        const std::size_t share = shared_.inject.size() / shared_.workers.size() + 1;
        work_list taken;
        shared_.inject.take(taken, std::min(share, most));
        work_node* const first = taken.pop();
        if (!taken.empty()) {
            while (work_node* const node = taken.pop()) {
                push_ready(*node);
            }
            if (!searching_) { // a searcher notifies when it stops searching
                published();
            }
        }
        return first;
    }

    void adopt_foreign() noexcept {
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

    // ---- searching and sleeping ----

    [[nodiscard]] work_node* search() noexcept {
        const std::size_t workers = shared_.workers.size();
        if (workers == 1) {
            return nullptr;
        }
        if (!searching_ && !shared_.idle.begin_search()) {
            return nullptr;
        }
        searching_ = true;
        for (int attempt = 0; attempt < 4; ++attempt) {
            const std::size_t start = static_cast<std::size_t>(next_random()) % workers;
            for (std::size_t i = 0; i < workers; ++i) {
                worker& victim = *shared_.workers[(start + i) % workers];
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

    [[nodiscard]] work_node* rob(worker& victim) noexcept {
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

    void stop_searching() noexcept {
        searching_ = false;
        if (shared_.idle.end_search()) {
            notify(shared_);
        }
    }

    /// False: the runtime has terminated.
    [[nodiscard]] bool sleep() noexcept {
        const bool stopping = shared_.stopping.load(std::memory_order_seq_cst);
        if (stopping) {
            terminate_if_done();
        }
        const bool done = shared_.terminated.load(std::memory_order_seq_cst);
        if (done && reactor_->in_flight() == 0 && timers_.empty()) {
            if (std::exchange(searching_, false)) {
                (void)shared_.idle.end_search();
            }
            return false;
        }
        if (!shared_.idle.sleep(index_, std::exchange(searching_, false))) {
            heavy_fence(); // the state against the queues: idle.hpp, 1
        }
        if (stopping) {
            terminate_if_done(); // a thread outside may have counted and found nobody to wake
        }
        const bool not_refused_yet = stopping && refuse_next_ == 0; // the stop came just now
        if (not_refused_yet || work_visible() ||
            stopping != shared_.stopping.load(std::memory_order_seq_cst) ||
            done != shared_.terminated.load(std::memory_order_seq_cst)) {
            searching_ = !shared_.idle.leave_sleep(index_);
            return true;
        }
        // What is asked to end is asked again while the runtime stops: cancelling is best effort.
        clock_ns deadline = timers_.next();
        if (stopping && reactor_->in_flight() > 0) {
            deadline = std::min(deadline, refuse_next_);
        }
        work_list finished;
        reactor_->poll(finished, deadline);
        if (!timers_.empty()) {
            timers_.collect(now_ns(), finished);
        }
        searching_ = !shared_.idle.leave_sleep(index_);
        (void)distribute(std::move(finished));
        return true;
    }

    [[nodiscard]] bool work_visible() const noexcept {
        if (!shared_.inject.empty() || !shared_.foreign.empty()) {
            return true;
        }
        return std::any_of(shared_.workers.begin(), shared_.workers.end(), [](const auto& each) {
            return !each->forks.empty() || !each->ready.empty();
        });
    }

    // ---- shutdown ----

    static constexpr clock_ns refuse_interval = 20'000'000;
    static constexpr clock_ns look_often_enough = 20'000;
    static constexpr clock_ns look_too_seldom = 60'000;
    static constexpr std::uint64_t most_runs_between_looks = 1024;

    void refuse_all() noexcept {
        reactor_->refuse_all();
        work_list refused;
        timers_.refuse_all(refused);
        (void)distribute(std::move(refused));
    }

    /// Every ended task was counted before its worker came here, so the last one to come sees all.
    /// `ended` is summed up first: if the sums are equal, nothing ran in between.
    void terminate_if_done() noexcept {
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

public:
    static void wake_everybody(shared_work& shared) noexcept {
        for (;;) {
            const std::size_t sleeper = shared.idle.wake_any();
            if (sleeper == idle_workers::nobody) {
                return;
            }
            shared.workers[sleeper]->wake();
        }
    }

private:
    [[nodiscard]] std::uint64_t next_random() noexcept {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        return random_;
    }

    shared_work& shared_;
    std::size_t index_;
    std::uint64_t random_;
    std::uint64_t tick_ = 0;
    int budget_ = 0;
    bool searching_ = false;
    clock_ns refuse_next_ = 0;
    std::uint64_t next_look_ = 0;
    std::uint64_t look_interval_ = 16;
    std::uint64_t looks_ = 0;
    clock_ns looked_at_ = 0;
    int ready_first_ = 0;
    timers timers_;
    std::unique_ptr<reactor> reactor_;
};

/// The worker that this thread is, or nullptr. Not inlined: local_worker.hpp, 3.
[[nodiscard]] ALOFT_NOINLINE inline worker* current_worker() noexcept {
    return static_cast<worker*>(thread_local_worker); // every local_worker is one
}
ALOFT_NOINLINE inline void set_current_worker(worker* w) noexcept {
    thread_local_worker = w;
}

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// One thread of the pool: where it looks for work, in which order, and how it goes to sleep.
// Layer: L3 runtime
//
// A round of next(): own forks, then what is ready; own answers and timers; the inject queue; other
// workers' queues, answers and timers; sleep. Where there is work of the classes high and background,
// worker_lanes.hpp says when it has its turn. A fairness round every few tens of microseconds makes
// sure that none of them starves: it looks at answers and timers, hands submissions to the kernel,
// lets a few of the ready ones go before newer forks, and takes from the inject queue and the oldest
// fork in turns, the latter less often where it forks on. How many tasks may run between two such
// rounds follows from how long they took, the kernel's time for their operations apart.
//
// 1. forks, ready, reactor_ and timers_ are used by the owner as owner; other workers use only their
//    members for other threads: a searching worker takes forks, ready work, answers and due timers.
//    What is stuck in a worker that does not come back, the watcher reaches (watcher.hpp).
// 2. Whoever makes work visible calls published() or notify() afterwards, except a coroutine that
//    puts itself behind the rest and suspends at once: its worker looks itself. The other exception
//    is local_worker.hpp, 4.
// 3. A worker leaves only when the runtime has terminated and nothing of its own is in flight, so
//    its thread outlives the operations that it submitted.
// 4. activity_ changes whenever the worker comes to look for work, and is odd before its thread runs
//    and while it is parked.
//
// A spare worker is dormant until the watcher activates it; then it takes part like any other, until
// hogs are over: it then gives away what it holds and is dormant again. Dormant, it is parked in its
// ring, and hands on what becomes ready there.
#pragma once

#include <aloft/detail/base/frame_allocator.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/lean_memory.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/transfer.hpp>
#include <aloft/detail/reactor/reactor.hpp>
#include <aloft/detail/reactor/time_slice.hpp>
#include <aloft/detail/reactor/timers.hpp>
#include <aloft/detail/runtime/shared_work.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class worker final : public local_worker {
public:
    worker(std::size_t index, shared_work& shared, std::unique_ptr<reactor> backend,
           bool spare = false)
        : local_worker(*shared.exec, shared.idle.state()),
          shared_(shared),
          index_(index),
          spare_(spare),
          random_(0x9E3779B97F4A7C15u * (index + 1)),
          spin_budget_(shared.spin_for),
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
            shared.workers[sleeper].wake();
        }
    }

    /// Whether there is something in a queue that any worker could take.
    [[nodiscard]] static bool work_visible(const shared_work& shared) noexcept {
        if (!shared.inject.empty() || !shared.foreign.empty() || !shared.high.empty() ||
            !shared.background.empty()) {
            return true;
        }
        return anybody_holds_runnable(shared);
    }
    [[nodiscard]] static bool anybody_holds_runnable(const shared_work& shared) noexcept {
        return std::any_of(shared.workers.begin(), shared.workers.end(),
                           [](const worker* each) { return each->holds_runnable(); });
    }

    // ---- the watcher ----

    [[nodiscard]] std::uint64_t activity() const noexcept {
        return activity_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] static bool is_parked(std::uint64_t activity) noexcept {
        return activity % 2 != 0;
    }
    [[nodiscard]] bool is_spare() const noexcept { return spare_; }
    [[nodiscard]] bool holds_operations() const noexcept { return reactor_->in_flight() > 0; }
    [[nodiscard]] bool holds_runnable() const noexcept { return !forks.empty() || !ready.empty(); }

    /// Looks after what a stuck worker holds. Gives the deadline of its next timer.
    clock_ns help(work_list& finished) noexcept {
        reactor_->help(finished);
        if (!timers_.empty()) {
            timers_.collect(now_ns(), finished);
        }
        return timers_.next();
    }

    /// What the system is told about its thread.
    [[nodiscard]] time_slice& slice() noexcept { return slice_; }

    /// Asks for a fairness round, whatever was learned about how seldom it is needed.
    void want_look() noexcept { attention_.fetch_or(look_wanted, std::memory_order_relaxed); }

    /// Says that there is work of class high: worker_lanes.hpp, 2.
    void want_high() noexcept {
        if ((attention_.load(std::memory_order_relaxed) & high_waits) == 0) {
            attention_.fetch_or(high_waits, std::memory_order_relaxed);
        }
    }

    /// A spare one begins to take part. False if it does already.
    [[nodiscard]] bool activate() noexcept {
        if (active_.load(std::memory_order_relaxed)) {
            return false;
        }
        shared_.idle.join();
        // order(worker.active): release; the spare takes part from now on
        active_.store(true, std::memory_order_release);
        wake();
        return true;
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

    /// Others may have nothing to do: the oldest forks go to where everybody takes from.
    void share_forks() noexcept {
        if (shared_.inject.empty()) {
            work_list moved;
            forks.take_oldest(moved, many_forks / 2);
            shared_.inject.push_all(std::move(moved));
            published();
        }
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

    /// True: it has ended already, and its coroutine goes on here.
    [[nodiscard]] bool submit(operation& op) noexcept;

    /// False: the runtime is stopping, and the timer has been marked as refused.
    [[nodiscard]] bool start_timer(timer& t) noexcept { return timers_.add(t); }

    /// Whether one more operation that completes at once may skip the scheduler.
    [[nodiscard]] bool spend_budget() noexcept;

    /// Whether a call that could be made at once is better handed over with others: worker_io.hpp.
    [[nodiscard]] bool call_joins_batch() const noexcept;

    void run() noexcept {
        if (shared_.short_turns) {
            slice_.begin(turn);
        }
        while (!spare_ || take_part()) {
            work_node* const node = next();
            if (node == nullptr) {
                if (std::exchange(retired_, false)) {
                    continue; // it may be active again by now
                }
                break;
            }
            budget_ = budget_of_run;
            // Where runs are so long that looks cannot be often enough, each counts.
            const std::int32_t per_look =
                look_interval_ > fewest_runs_between_looks ? direct_runs_of_look : 1;
            const auto runs = static_cast<std::int32_t>(next_look_ - tick_) * per_look;
            allow_direct_runs(runs);
            resume_chain(node->coroutine);
            const bool cut = direct_runs() < 0;
            const std::int32_t used = cut ? runs : runs - direct_runs();
            if (used > 0) { // otherwise it is a division for nothing
                tick_ += static_cast<std::uint64_t>((used + per_look - 1) / per_look);
            }
            if (std::exchange(ran_oldest_, false)) {
                oldest_pause_ = used > 0 && !cut ? oldest_pause_of_trees : 1;
            }
        }
        release_thread_frames();
        slice_.end();
    }

private:
    [[nodiscard]] work_node* next() noexcept {
        for (;;) {
            activity_.store(++rounds_ * 2, std::memory_order_relaxed);
            if (shared_.hogging.load(std::memory_order_relaxed) == spare_) [[likely]] {
                // the usual case for both kinds
            } else if (spare_) {
                retire();
                return nullptr;
            } else {
                shared_.hogging.store(false, std::memory_order_relaxed);
            }
            work_node* node = nullptr;
            if (++tick_ >= next_look_ || attention_.load(std::memory_order_relaxed) != 0) {
                node = attend();
            } else if (ready_first_ > 0) {
                --ready_first_;
                node = pop_ready();
            }
            if (node == nullptr) {
                node = take_own();
            }
            if (node == nullptr && collect_io()) {
                measure_from(now_ns());
                node = take_own();
            }
            if (node == nullptr) {
                node = take_from_others();
            }
            if (node == nullptr) {
                node = take_last_class();
            }
            if (node != nullptr) {
                if (searching_) {
                    stop_searching();
                }
                return node;
            }
            if (shared_.spin_for > 0 && spin()) {
                continue;
            }
            if (!sleep()) {
                return nullptr;
            }
        }
    }

    [[nodiscard]] work_node* take_own() noexcept {
        work_node* const node = pop_fork();
        return node != nullptr ? node : pop_ready();
    }

    /// A fairness round is due, or there is work of class high.
    [[nodiscard]] work_node* attend() noexcept;

    /// The fairness round: answers, timers, and one item of those that newer ones keep waiting.
    [[nodiscard]] work_node* look_around() noexcept {
        if ((attention_.load(std::memory_order_relaxed) & look_wanted) != 0) {
            attention_.fetch_and(static_cast<unsigned char>(~look_wanted),
                                 std::memory_order_relaxed);
        }
        const clock_ns now = now_ns();
        if (looked_at_ == 0) { // it has been asleep meanwhile
            entered_at_ = now;
        } else if (const auto runs = static_cast<clock_ns>(tick_ - looked_tick_); runs > 0) {
            const clock_ns expected =
                (now - looked_at_) * static_cast<clock_ns>(look_interval_) / runs;
            if (expected < look_often_enough) {
                look_interval_ = (std::min)(look_interval_ * 2, most_runs_between_looks);
            } else if (expected > look_too_seldom) {
                look_interval_ = (std::max)(look_interval_ / 4, fewest_runs_between_looks);
            }
        }
        runs_are_short = look_interval_ >= short_from_interval;
        next_look_ = tick_ + look_interval_;
        bool found = false;
        if (now - entered_at_ < reactor_->entry_pause()) {
            found = collect_io();
        } else {
            entered_at_ = now;
            found = look_after_io();
        }
        measure_from(found ? now_ns() : now);
        ready_first_ = 8;
        ++looks_;
        if (looks_ % 4 == 0) {
            return take_injected(1);
        }
        if (looks_ % 4 == 2) {
            oldest_pause_ -= oldest_pause_ > 0 ? 1 : 0;
            if (oldest_pause_ == 0) {
                return take_oldest();
            }
        }
        return looks_ % 4 == 3 ? take_from(shared_.background) : nullptr;
    }

    /// Nothing but newer forks may have had their turn for long. When the oldest one proves to be a tree,
    /// which forks on, the next such turn is later: every tree that is begun holds its frames until the
    /// end of those above it, and a cache holds few of them.
    [[nodiscard]] work_node* take_oldest() noexcept {
        work_list oldest;
        forks.take_oldest(oldest, 1);
        ran_oldest_ = !oldest.empty();
        return oldest.pop();
    }

    /// What tasks take is measured from here: the kernel's time for a batch of operations tells
    /// nothing about the tasks, which together may be as many as there were answers.
    void measure_from(clock_ns now) noexcept {
        looked_at_ = now;
        looked_tick_ = tick_;
    }

    /// Collects answers and due timers. What was submitted stays where it is: if nothing turns up, it
    /// goes to the kernel with the same call that parks. True if something became ready.
    bool collect_io() noexcept;

    /// The same, and submits.
    bool look_after_io() noexcept;
    void adopt_foreign() noexcept;

    bool distribute(work_list&& list) noexcept {
        if (list.empty()) {
            return false;
        }
        const bool others_needed =
            list.size() > 1 || !forks.empty() || !ready.empty() || reactor_->has_more();
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
            if (work_node* const oldest = pop_ready()) {
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
        shared_.inject.take(taken, (std::min)(share, most));
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

    // ---- the other classes of work ----

    [[nodiscard]] work_node* take_high() noexcept;
    [[nodiscard]] work_node* take_from_lanes() noexcept;
    [[nodiscard]] work_node* take_last_class() noexcept;
    [[nodiscard]] static work_node* take_from(inject_queue& lane) noexcept {
        work_list one;
        lane.take(one, 1);
        return one.pop();
    }

    // ---- searching and sleeping ----

    [[nodiscard]] work_node* take_from_others() noexcept;
    void let_work_gather() noexcept;
    [[nodiscard]] work_node* search() noexcept;
    [[nodiscard]] work_node* rob(worker& victim) noexcept;

    void stop_searching() noexcept;

    /// Looks on for a while. True: something has come.
    [[nodiscard]] bool spin() noexcept;

    /// False: the runtime has terminated.
    [[nodiscard]] bool sleep() noexcept;
    void park(work_list& finished, clock_ns deadline) noexcept;

    // ---- spare workers ----

    /// Waits until it is wanted. False: the runtime has terminated.
    [[nodiscard]] bool take_part() noexcept;

    /// Hogs are over: the others go on alone.
    void retire() noexcept;
    void give_away() noexcept;

    // ---- shutdown ----

    static constexpr clock_ns turn = 200'000; // on a processor
    static constexpr int budget_of_run = 64;
    static constexpr int budget_among_others = 1;
    static constexpr int price_of_operation = 8;
    static constexpr clock_ns refuse_interval = 20'000'000;
    static constexpr clock_ns look_often_enough = 20'000;
    static constexpr clock_ns look_too_seldom = 60'000;
    static constexpr std::uint64_t fewest_runs_between_looks = 4;
    static constexpr std::uint64_t most_runs_between_looks = 256;
    static constexpr int oldest_pause_of_trees = 8;
    static constexpr std::uint64_t short_from_interval = 8; // at most some 5 us each
    static constexpr clock_ns short_find = 1'000;
    static constexpr clock_ns gathering_time = 2'500;
    static constexpr unsigned short_finds_before_pause = 2;

    /// Every ended task was counted before its worker came here, so the last one to come sees all.
    /// `ended` is summed up first: if the sums are equal, nothing ran in between.
    void terminate_if_done() noexcept;
    /// When the runtime has terminated: to this worker, which has nothing, or out of the inject queue.
    [[nodiscard]] bool nothing_will_come() const noexcept;
    /// Of a dormant worker, when the others may have left.
    void run_what_is_left() noexcept;

public:
    static void wake_everybody(shared_work& shared) noexcept;
    static void begin_helping(shared_work& shared) noexcept;
    static void end_helping(shared_work& shared) noexcept;

private:
    [[nodiscard]] std::uint64_t next_random() noexcept {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        return random_;
    }

    shared_work& shared_;
    std::size_t index_;
    const bool spare_;
    atomic<bool> active_{false};
    atomic<std::uint64_t> activity_{1};
    std::uint64_t rounds_ = 0;
    std::uint64_t random_;
    std::uint64_t tick_ = 0;
    int budget_ = 0;
    bool searching_ = false;
    clock_ns spin_budget_;
    clock_ns found_at_ = 0; // the last time that others had work for it; 0: since then it had none
    unsigned short_finds_ = 0;
    clock_ns refuse_next_ = 0;
    std::uint64_t next_look_ = 0;
    std::uint64_t look_interval_ = 16;
    std::uint64_t looks_ = 0;
    clock_ns looked_at_ = 0; // 0: has been asleep since
    std::uint64_t looked_tick_ = 0;
    clock_ns entered_at_ = 0; // the last fairness round that submitted
    static constexpr unsigned char look_wanted = 1;
    static constexpr unsigned char high_waits = 2;
    atomic<unsigned char> attention_{high_waits}; // it has not looked yet
    std::uint64_t high_turns_ = 0;
    int ready_first_ = 0;
    int oldest_pause_ = 1; // in groups of four fairness rounds
    bool ran_oldest_ = false;
    bool retired_ = false; // next() gave nothing because hogs are over
    time_slice slice_;
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

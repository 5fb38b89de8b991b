// SPDX-License-Identifier: MIT
// The executor that a strand is: a queue in front of a pool, which one worker at a time empties.
// Layer: L1 coro
//
// `inbox_` says who looks after the queue, and holds what came since somebody last looked:
//
//   idle      --post-----------------> a list      the poster puts the drain into the pool's queue
//   draining  --post-----------------> a list
//   a list    --post-----------------> a longer list
//   a list    --drain takes it all---> draining
//   draining  --drain, nothing left--> idle        the drain ends
//
// The drain is one work_node, which a worker of the pool runs. It resumes one coroutine after the
// other, each until that suspends or ends. After `most_turns` of them, or when its worker has to look
// at other things, it goes to the back of the worker's queue if there are more.
//
// 1. The drain is in the pool's queue, or runs, exactly while inbox_ is not idle: only the post that
//    finds it idle puts it there, and only the drain itself makes it idle again. So there is never
//    more than one, and coroutines of a strand never run at the same time.
// 2. No wake-up is lost. A post whose exchange finds `idle` puts the drain into the pool's queue; the
//    pool loses nothing. One that finds `draining` or a list came before the drain's exchange from
//    draining to idle, which fails then: the drain takes the list, or has put itself into the pool's
//    queue and will.
// 3. First in, first out: posts are ordered by their exchanges on inbox_; the newest is at the list's
//    head. The drain turns the list round, and resumes all of it before it takes the next one.
// 4. What a coroutine did in its turn is visible in the next turn: within a drain by the thread's own
//    order, between drains by inbox_ becoming idle and being found so, or by the pool's queue.
// 5. The queue is linked through the nodes; `next` is null again when a coroutine is resumed.
// 6. The drain holds `turn_` while it runs; nothing here is touched behind its unlock. The destructor
//    waits for that, as the end of the last task may be what lets the strand be destroyed.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/cacheline.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/callback_frame.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/transfer.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class strand_core final : public executor, callback_frame, work_node {
public:
    /// `inherited` by tasks of the strand that have no parent; `below` is the runtime's executor.
    strand_core(executor& below, environment& inherited) noexcept
        : callback_frame(
              [](callback_frame* frame) noexcept { static_cast<strand_core*>(frame)->drain(); }) {
        root = &inherited;
        pool = below.pool;
        owner = below.owner;
        root_stop = below.root_stop;
        coroutine = handle();
        inherited.exec = this;
    }
    ~strand_core() {
        require(current_environment() != root, "a strand was destroyed by a task that runs on it");
        turn_.wait_until_free();
        // order(strand.tasks): acquire; what the last task did comes before the destruction
        require(tasks_.load(std::memory_order_acquire) == 0 &&
                    inbox_.load(std::memory_order_relaxed) == idle(),
                "a strand was destroyed before the tasks on it had ended");
    }

    void post(work_node& node) noexcept override {
        work_node* seen = inbox_.load(std::memory_order_relaxed);
        do {
            node.next = seen == idle() || seen == draining() ? nullptr : seen;
            // order(strand.inbox): acq_rel; the node becomes visible to the drain, and what the last
            // drain did to the next one
        } while (!inbox_.compare_exchange_weak(seen, &node, std::memory_order_acq_rel,
                                               std::memory_order_relaxed)); // PUBLISHED
        if (seen == idle()) { // and it stays until the drain has come
            wake(*pool, *this);
        }
    }

    void fork_elsewhere(work_node& node) noexcept override { post(node); }
    void post_all(work_list&& nodes) noexcept override {
        while (work_node* const node = nodes.pop()) {
            post(*node);
        }
    }

    void wake_for_work() noexcept override { pool->wake_for_work(); }
    void run_blocking(blocking_call& call) noexcept override { pool->run_blocking(call); }
    void withdraw_blocking(blocking_call& call) noexcept override { pool->withdraw_blocking(call); }

    void task_started_outside() noexcept override {
        tasks_.fetch_add(1, std::memory_order_relaxed);
        count_started(*pool);
    }
    void task_finished_outside() noexcept override {
        executor& below = *pool;
        // order(strand.tasks): release; what the task did comes before the strand's destruction
        tasks_.fetch_sub(1, std::memory_order_release);
        count_ended(below);
    }

    [[nodiscard]] sink_pointer sink() const noexcept override { return pool->sink(); }

private:
    friend struct strand_core_view; // the tests' explorer

    static constexpr std::uint32_t most_turns = 64;

    static work_node* idle() noexcept { return nullptr; }
    static work_node* draining() noexcept {
        return reinterpret_cast<work_node*>(std::uintptr_t{1}); // no node has such an address
    }

    ALOFT_NOINLINE void drain() noexcept {
        turn_.lock(); // another drain is at its end at most, behind having made the strand idle
        const environment* const outer = current_environment();
        set_current_environment(root);                  // for what is spawned
        local_worker* const here = thread_local_worker; // turns do not change the thread
        for (std::uint32_t turns = 0; ready_ != nullptr || refill(); ++turns) {
            if (turns > 0 && !may_go_on(turns, here)) {
                set_current_environment(outer);
                turn_.unlock();           // not idle: it stays
                reschedule(*pool, *this); // PUBLISHED
                return;
            }
            work_node& node = *ready_;
            ready_ = std::exchange(node.next, nullptr);
            resume_chain(node.coroutine);
        }
        set_current_environment(outer);
        turn_.unlock(); // PUBLISHED
    }

    /// A turn counts as any other run between two of the worker's fairness rounds.
    [[nodiscard]] static bool may_go_on(std::uint32_t turns, local_worker* here) noexcept {
        return turns < most_turns &&
               (here == nullptr || here->spend_direct_run(local_worker::direct_runs_of_look));
    }

    /// False: there is nothing more, and the strand is idle.
    [[nodiscard]] bool refill() noexcept {
        work_node* seen = draining();
        // order(strand.inbox): release; what was done in the turns becomes visible to the next drain
        if (inbox_.compare_exchange_strong(seen, idle(), std::memory_order_release,
                                           std::memory_order_relaxed)) {
            return false;
        }
        // order(strand.inbox): acquire; the nodes become visible
        work_node* newest = inbox_.exchange(draining(), std::memory_order_acquire);
        while (newest != nullptr) {
            work_node* const older = newest->next;
            newest->next = ready_;
            ready_ = newest;
            newest = older;
        }
        return true;
    }

    alignas(cacheline_bytes) atomic<work_node*> inbox_{nullptr};
    atomic<std::size_t> tasks_{0}; // that started on the strand and have not ended
    alignas(cacheline_bytes) spin_lock turn_;
    work_node* ready_ = nullptr; // the drain's, the oldest first
};

} // namespace aloft::inline ALOFT_ABI::detail

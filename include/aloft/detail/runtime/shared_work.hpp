// SPDX-License-Identifier: MIT
// What the workers of one runtime share.
// Layer: L3 runtime
//
// 1. `workers` holds the runtime's workers before the first of their threads starts; spare workers
//    come later (watcher.hpp).
// 2. `foreign` holds operations and timers that were started on threads that are no workers; any
//    worker adopts them.
// 3. Tasks are counted where they start and where they end, by counters that one worker writes
//    (worker.hpp), and by `outside` for all other threads.
// 4. stopping is set once, by the runtime's destructor; terminated once, by the worker that found
//    every task ended.
// 5. hogging: spare workers may run tasks. Set by the watcher when every worker is stuck, cleared by
//    the first that is not.
// 6. helping: how many threads that are no workers hold, or are about to take, what a worker had in
//    flight, and have not put it into a queue yet: the watcher, for a stuck worker, and who stops a sleep.
//    Nobody leaves then: worker_end.hpp.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/reactor/operation.hpp>
#include <aloft/detail/reactor/timers.hpp>
#include <aloft/detail/runtime/idle.hpp>
#include <aloft/detail/runtime/inject.hpp>
#include <aloft/detail/runtime/watch_signal.hpp>
#include <aloft/detail/runtime/worker_set.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace aloft::inline ALOFT_ABI::detail {

class foreign_requests {
public:
    void push(operation& op) noexcept { push(operations_, op); }
    void push(timer& t) noexcept { push(timers_, t); }

    void take(work_list& operations, work_list& due_timers) noexcept {
        if (empty()) {
            return;
        }
        const std::scoped_lock lock(lock_);
        operations.append(std::move(operations_));
        due_timers.append(std::move(timers_));
        some_.store(false, std::memory_order_relaxed);
    }

    [[nodiscard]] bool empty() const noexcept { return !some_.load(std::memory_order_relaxed); }

private:
    void push(work_list& list, work_node& node) noexcept {
        const std::scoped_lock lock(lock_);
        list.push(node);
        some_.store(true, std::memory_order_relaxed);
    }

    spin_lock lock_;
    work_list operations_;
    work_list timers_;
    atomic<bool> some_{false};
};

struct shared_work {
    shared_work(std::size_t worker_count, std::size_t most_spares, executor& owner,
                clock_ns longest_spin = 0, bool with_short_turns = false)
        : idle(worker_count, worker_count + most_spares),
          exec(&owner),
          workers(worker_count + most_spares),
          spin_for(longest_spin),
          short_turns(with_short_turns) {}

    inject_queue inject;
    inject_queue high; // the two other classes of work: worker_lanes.hpp
    inject_queue background;
    foreign_requests foreign;
    idle_workers idle;
    task_count outside;
    executor* exec; // whose workers these are
    atomic<bool> stopping{false};
    atomic<bool> terminated{false};
    atomic<bool> hogging{false};
    atomic<unsigned> helping{0};
    watch_signal watch;
    worker_set workers;      // owned by the scheduler
    const clock_ns spin_for; // runtime_options::spin
    const bool short_turns;  // time_slice.hpp
};

} // namespace aloft::inline ALOFT_ABI::detail

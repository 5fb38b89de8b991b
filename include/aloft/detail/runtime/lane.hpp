// SPDX-License-Identifier: MIT
// The executor of the work of one class, high or background: a queue that all workers take from.
// Layer: L3 runtime
//
// Work of class normal needs none of this: it is in the workers' own queues. When workers take from
// a lane, and why they find what is there: worker_lanes.hpp.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/reactor/process.hpp>
#include <aloft/detail/runtime/inject.hpp>
#include <aloft/detail/runtime/shared_work.hpp>
#include <aloft/detail/runtime/visit.hpp>
#include <aloft/detail/runtime/worker.hpp>
#include <aloft/priority_class.hpp>

#include <atomic>
#include <cstddef>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class lane final : public executor {
public:
    lane(shared_work& shared, inject_queue& queue, atomic<std::size_t>& visitors,
         unsigned generation, bool urgent) noexcept
        : shared_(shared),
          queue_(queue),
          visitors_(visitors),
          generation_(generation),
          urgent_(urgent) {}

    /// Before the first task starts.
    void begin(executor& below) noexcept {
        pool = &below;
        owner = below.owner;
        root_stop = below.root_stop;
        root_environment_.exec = this;
        root = &root_environment_;
    }

    [[nodiscard]] executor& in_class(priority p) noexcept override { return pool->in_class(p); }

    void post(work_node& node) noexcept override {
        work_list one;
        one.push(node);
        post_all(std::move(one));
    }

    void fork_elsewhere(work_node& node) noexcept override { post(node); }

    void post_all(work_list&& nodes) noexcept override {
        require(generation_ == fork_generation().load(std::memory_order_relaxed),
                "a runtime was used in a child process after fork(): its threads are not here; "
                "create a new runtime in the child, or exec");
        const visit here(visitors_);
        queue_.push_all(std::move(nodes));
        if (urgent_) {
            full_fence(); // the queue against attention_: worker_lanes.hpp, 2
            for (worker* const each : shared_.workers) {
                each->want_high();
            }
        }
        worker::notify(shared_);
    }

    void wake_for_work() noexcept override { pool->wake_for_work(); }
    void run_blocking(blocking_call& call) noexcept override { pool->run_blocking(call); }
    void withdraw_blocking(blocking_call& call) noexcept override { pool->withdraw_blocking(call); }
    void task_started_outside() noexcept override { count_started(*pool); }
    void task_finished_outside() noexcept override { count_ended(*pool); }
    [[nodiscard]] sink_pointer sink() const noexcept override { return pool->sink(); }

private:
    shared_work& shared_;
    inject_queue& queue_;
    atomic<std::size_t>& visitors_;
    const unsigned generation_;
    const bool urgent_;
    environment root_environment_{};
};

} // namespace aloft::inline ALOFT_ABI::detail

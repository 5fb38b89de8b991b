// SPDX-License-Identifier: MIT
// What makes a running task go on on another executor, and its end come back to its own.
// Layer: L1 coro
//
// A task that has never moved knows nothing of this. The first move makes a record: it holds the
// task's environment from now on, and what its promise had before, and it takes the place of the
// promise's hook. At the task's end the hook puts back what was there, and lets the end happen on the
// task's own executor: its continuation is resumed there.
//
//   home --move--> away --move--> elsewhere, or home again --end--> back home --> the former end
//
// 1. Only the running task moves itself; nothing that it awaits runs meanwhile. So its promise's
//    fields and the record are touched by one thread after the other, handed over by the queues.
// 2. The record lives until the task has ended: what was handed down from its environment stays.
// 3. Each executor counts the tasks that are on it; a task that moved is counted away from home, too.
//    It is counted at the new place before it is posted there, and leaves the old one behind that.
// 4. The hook works where the task ended; behind posting the record home it touches locals only.
#pragma once

#include <aloft/detail/base/frame_allocator.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/away_environment.hpp>
#include <aloft/detail/coro/callback_frame.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/promise_base.hpp>

#include <atomic>
#include <coroutine>
#include <new>

namespace aloft::inline ALOFT_ABI::detail {

class relocation : callback_frame, work_node, away_environment {
public:
    /// Moves the task whose promise this is, which `node` resumes there. False: it is there already.
    /// Throws std::bad_alloc; then nothing has happened.
    [[nodiscard]] static bool move(promise_base& p, executor& to, work_node& node) {
        executor* const from = executor_of(p.env);
        if (from == &to) {
            return false;
        }
        relocation& record = p.on_done == &relocation::ended ? of(p) : make(p);
        executor* const home = executor_of(record.home_);
        record.leave();
        record.enter(record.home_, to);
        if (&to != home) {
            count_started(to);
        }
        make_ready(to, node); // PUBLISHED
        if (from != nullptr && from != home) {
            count_ended(*from);
        }
        return true;
    }

private:
    explicit relocation(promise_base& p) noexcept
        : callback_frame(&relocation::end_at_home), home_(p.env), hook_(p.on_done), promise_(&p) {
        coroutine = handle();
        begin(home_);
    }

    [[nodiscard]] static relocation& make(promise_base& p) {
        auto* const record = ::new (allocate_frame(sizeof(relocation))) relocation(p);
        p.env = record;
        p.on_done = &relocation::ended;
        return *record;
    }

    [[nodiscard]] static relocation& of(promise_base& p) noexcept {
        return *static_cast<relocation*>(const_cast<environment*>(p.env));
    }

    /// The hook of a task that has moved.
    ALOFT_NOINLINE static std::coroutine_handle<> ended(promise_base& p) noexcept {
        relocation& record = of(p);
        executor* const there = record.exec;
        executor* const home = executor_of(record.home_);
        record.leave();
        p.env = record.home_;
        p.on_done = record.hook_;
        if (home == nullptr || home == there) {
            const std::coroutine_handle<> next = end(record);
            if (home == nullptr) {
                count_ended(*there);
            }
            return next;
        }
        make_ready(*home, record); // PUBLISHED
        count_ended(*there);
        return std::noop_coroutine();
    }

    static void end_at_home(callback_frame* frame) noexcept {
        resume_next(end(*static_cast<relocation*>(frame)));
    }

    /// What happens at the end of a task that has not moved.
    [[nodiscard]] static std::coroutine_handle<> end(relocation& record) noexcept {
        promise_base& p = *record.promise_;
        record.~relocation();
        deallocate_frame(&record, sizeof(relocation));
        return p.on_done != nullptr
                   ? p.on_done(p)
                   : std::coroutine_handle<>::from_address(p.owner.load(std::memory_order_relaxed));
    }

    const environment* const home_;
    const promise_base::done_hook hook_;
    promise_base* const promise_;
};

} // namespace aloft::inline ALOFT_ABI::detail

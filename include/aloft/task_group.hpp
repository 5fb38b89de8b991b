// SPDX-License-Identifier: MIT
// task_group: a scope whose tasks have all ended when it is left, however it is left.
// Layer: L1 coro
//
//   open --the body ends--> closing --the last task ends--> parent resumed
//
// 1. `remaining_` counts the body and every task that was started and has not ended. Tasks are started
//    by the body or by tasks of the group, so never when it has reached 0. Whoever brings it to 0
//    resumes the parent; nobody touches the group later.
// 2. The frame of a task that has ended is destroyed by the thread on which it ended, before it gives
//    up its part of `remaining_`: what it refers to is alive, and nothing piles up in a long loop.
// 3. The first failure is noted by whoever turns `failed_` from false to true, before its part of
//    `remaining_` is given up, and read by the parent behind the last.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/outcome.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/detail/coro/temporary_closure.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/task.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

namespace detail {
template <class T, class Body, transfer_mode Mode>
class task_group_awaiter;
}

/// Purpose: what with_task_group gives to its body, to start tasks in.
///
/// Thread safety: every member may be called by the body and by the group's tasks, on any worker at
/// once.
/// Lifetime: it ends when the body and all tasks have ended; do not keep it beyond.
/// Errors: see with_task_group. Cancellation: request_stop() stops the body and all tasks.
class task_group {
public:
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    /// Starts `work` now: a task, any awaitable, a function, or a function that returns a task. Its
    /// value is dropped; its exception stops the group. Cost: no allocation for a task, one recycled
    /// frame otherwise; a push to the worker's deque.
    template <detail::spawnable Work>
    void spawn(Work&& work) {
        start(detail::work_as_task(std::forward<Work>(work)));
    }

    /// Stops the body and the tasks, and those that are started later.
    void request_stop() noexcept { (void)stop_.request_stop(); }

    /// What stops the group's tasks.
    [[nodiscard]] stop_token get_token() noexcept { return detail::stop_access::token_of(&stop_); }

private:
    template <class, class, detail::transfer_mode>
    friend class detail::task_group_awaiter;

    task_group() = default;
    ~task_group() {
        detail::require(parent_ == nullptr || remaining_.load(std::memory_order_relaxed) == 0,
                        "a frame was destroyed while tasks of its task_group were running");
    }

    void open(std::coroutine_handle<> parent, const detail::environment* outer) noexcept {
        stop_.set_parent(detail::stop_above(outer));
        environment_.inherit(outer, &stop_);
        parent_ = parent;
    }

    template <class T>
    void start(task<T>&& work) noexcept {
        detail::promise<T>& child = detail::task_access::promise_of(work);
        detail::adopt(child, this, &task_ended<T>, &environment_);
        remaining_.fetch_add(1, std::memory_order_relaxed); // the caller has a part of its own
        (void)detail::task_access::release(work);
        if (environment_.exec != nullptr) [[likely]] {
            detail::fork(*environment_.exec, child, nullptr);
        } else {
            detail::resume_chain(child.coroutine);
        } // PUBLISHED
    }

    template <class T>
    static std::coroutine_handle<> task_ended(detail::promise_base& ended) noexcept {
        auto& group = *static_cast<task_group*>(ended.owner.load(std::memory_order_relaxed));
        auto& child = static_cast<detail::promise<T>&>(ended);
        if (child.result.failed()) [[unlikely]] {
            group.note_failure(child.result.failure());
        }
        child.coroutine.destroy();
        return group.part_ended();
    }

    template <class T>
    static std::coroutine_handle<> body_ended(detail::promise_base& ended) noexcept {
        auto& group = *static_cast<task_group*>(ended.owner.load(std::memory_order_relaxed));
        auto& body = static_cast<detail::promise<T>&>(ended);
        if (body.result.failed()) [[unlikely]] {
            group.note_failure(body.result.failure());
        }
        return group.part_ended();
    }

    ALOFT_NOINLINE void note_failure(detail::failure_holder& failure) noexcept {
        if (!failed_.exchange(true, std::memory_order_relaxed)) {
            error_ = std::move(failure);
            (void)stop_.request_stop();
        }
    }

    [[nodiscard]] std::coroutine_handle<> part_ended() noexcept {
        const std::coroutine_handle<> parent = parent_;
        // order(task_group.remaining): acq_rel; what the tasks did becomes visible to the parent
        return remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1 ? parent
                                                                       : std::noop_coroutine();
    } // PUBLISHED

    detail::stop_state stop_;
    detail::environment environment_;
    detail::atomic<std::size_t> remaining_{1}; // the body
    detail::atomic<bool> failed_{false};
    std::coroutine_handle<> parent_{};
    detail::failure_holder error_;
};

namespace detail {

template <class T, class Body, transfer_mode Mode>
class [[nodiscard]] task_group_awaiter {
public:
    explicit task_group_awaiter(Body& body) : body_(body(group_)) {}
    task_group_awaiter(const task_group_awaiter&) = delete;
    task_group_awaiter& operator=(const task_group_awaiter&) = delete;

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        group_.open(parent, environment_of(parent));
        promise<T>& p = task_access::promise_of(body_);
        adopt(p, &group_, &task_group::body_ended<T>, &group_.environment_);
        return transfer_from<Mode>(parent, p.coroutine); // PUBLISHED
    }

    T await_resume() {
        if (group_.error_) [[unlikely]] {
            group_.error_.rethrow();
        }
        return task_access::promise_of(body_).result.take();
    }

private:
    task_group group_;
    task<T> body_;
};

/// The function, until it is awaited; the awaiter's body refers to it.
template <class Body>
class [[nodiscard]] task_group_awaitable {
    using value = typename std::invoke_result_t<Body&, task_group&>::value_type;

public:
    template <class F>
    explicit task_group_awaitable(std::in_place_t, F&& body) : body_(std::forward<F>(body)) {}

    [[nodiscard]] auto operator co_await() & {
        return task_group_awaiter<value, Body, transfer_here>(body_);
    }
    [[nodiscard]] auto operator co_await() && {
        return task_group_awaiter<value, Body, transfer_here>(body_);
    }

private:
    Body body_;
};

} // namespace detail

/// Purpose: `co_await with_task_group([&](task_group& g) -> task<> { g.spawn(f()); co_return; });` runs
/// the body, and is left when it and everything that was started in the group have ended: also when
/// the body throws, when a task fails, and when it is stopped. Gives what the body returns.
///
/// With g++ 12, name the awaitable if a temporary lambda captures objects; the compiler says so where
/// it matters.
///
/// Thread safety: tasks run on any workers at once; the parent goes on where the last one ended.
/// Lifetime: tasks may refer to everything that outlives the co_await, and to the body's function
/// object, but not to the body's own locals.
/// Errors: the first failure, of the body or of a task, stops all others; it is rethrown when all have
/// ended. What the others end with is dropped.
/// Cancellation: stopping the parent stops the body and the tasks.
/// Cost: the body's frame and the tasks'; two atomic operations per task.
template <class Body>
    requires detail::is_task<std::invoke_result_t<std::decay_t<Body>&, task_group&>>
[[nodiscard]] auto with_task_group(Body&& body) {
    return detail::guard_temporary<detail::is_endangered_temporary<Body>>(
        detail::task_group_awaitable<std::decay_t<Body>>(std::in_place, std::forward<Body>(body)));
}

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// run_on: awaits a task that runs on another runtime or on a strand. resume_on: moves the rest of the
// calling task there.
// Layer: L1 coro
//
// The awaiter of run_on is handed to the child's executor with the child, and back with the parent.
//
// 1. While the child runs only its end touches the awaiter: it posts the parent to its executor and
//    uses locals behind that. So the parent, and what it destroys, may be gone at once.
// 2. The child is counted as a task where it runs. It is counted before it is posted, and its end is
//    counted last, so that runtime outlives all this.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/away_environment.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/detail/coro/relocation.hpp>
#include <aloft/task.hpp>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class T, transfer_mode Mode>
class [[nodiscard]] run_on_awaiter : work_node {
public:
    run_on_awaiter(executor* to, task<T>&& child) noexcept : to_(to), child_(std::move(child)) {}
    run_on_awaiter(const run_on_awaiter&) = delete;
    run_on_awaiter& operator=(const run_on_awaiter&) = delete;
    ~run_on_awaiter() {
        require(!running_,
                "a frame was destroyed while a task that it had sent elsewhere by run_on "
                "was running");
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        const environment* const outer = environment_of(parent);
        promise<T>& p = task_access::promise_of(child_);
        home_ = executor_of(outer);
        if (home_ == to_) { // also where there is no runtime
            adopt(p, parent.address(), nullptr, outer);
            return transfer_from<Mode>(parent, p.coroutine);
        }
        coroutine = parent;
        environment_.begin(outer);
        environment_.enter(outer, *to_);
        running_ = true;
        adopt(p, this, &run_on_awaiter::child_ended, &environment_);
        executor& to = *to_;
        count_started(to);
        make_ready(to, p); // PUBLISHED
        return stay_suspended<Mode, Parent>();
    }

    T await_resume() {
        running_ = false;
        environment_.leave();
        return task_access::promise_of(child_).result.take();
    }

protected:
    /// Before it is awaited. nullptr: nowhere else.
    void send_to(executor* to) noexcept { to_ = to; }

private:
    ALOFT_NOINLINE static std::coroutine_handle<> child_ended(promise_base& child) noexcept {
        auto& self = *static_cast<run_on_awaiter*>(child.owner.load(std::memory_order_relaxed));
        executor& there = *self.to_;
        std::coroutine_handle<> next = std::noop_coroutine();
        if (self.home_ != nullptr) {
            make_ready(*self.home_, self); // PUBLISHED
        } else {
            next = self.coroutine;
        }
        count_ended(there);
        return next;
    }

    executor* to_;
    executor* home_ = nullptr;
    away_environment environment_;
    bool running_ = false;
    task<T> child_;
};

template <class T>
class [[nodiscard]] run_on_awaitable {
public:
    run_on_awaitable(executor& to, task<T>&& child) noexcept : to_(&to), child_(std::move(child)) {}

    [[nodiscard]] auto operator co_await() && noexcept {
        return run_on_awaiter<T, transfer_here>(to_, std::move(child_));
    }

private:
    executor* to_;
    task<T> child_;
};

template <class Promise>
inline constexpr bool is_task_promise = false;
template <class T>
inline constexpr bool is_task_promise<promise<T>> = true;

class [[nodiscard]] resume_on_awaiter : work_node {
public:
    explicit resume_on_awaiter(executor& to) noexcept : to_(&to) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
        static_assert(is_task_promise<Promise>,
                      "resume_on moves a task<T>; a generator runs where its consumer does");
        coroutine = self;
        return relocation::move(self.promise(), *to_, *this); // PUBLISHED if true
    }

    void await_resume() const noexcept {}

private:
    executor* to_;
};

} // namespace detail

/// Purpose: `co_await run_on(where, work());` runs `work` on another runtime or on a strand, and goes on
/// where it was called when that has ended. It begins behind what is ready there. What it awaits and
/// forks runs there, too.
///
/// Thread safety: any thread. Without a runtime of its own, the caller goes on on the thread on which
/// the work ended.
/// Lifetime: `where` must outlive the work; a runtime's destructor, or a strand's, enforces it. A
/// temporary awaitable moves in, an lvalue is referred to. Destroying the awaiting frame while the work
/// runs ends the program with a sentence that says so.
/// Errors: those of the awaitable; std::bad_alloc if it is no task and there is no memory for one.
/// Cancellation: what stops the caller stops the work; so does the end of either runtime. It waits
/// for the work's end.
/// Cost: no allocation for a task; a trip through the queue there, and one back. Nothing where the
/// caller is there already: it awaits as usual.
template <std::derived_from<detail::task_place> Where, detail::awaitable Awaitable>
[[nodiscard]] auto run_on(Where& where, Awaitable&& awaitable) {
    using child = decltype(detail::as_task(std::forward<Awaitable>(awaitable)));
    return detail::run_on_awaitable<typename child::value_type>(
        *where.root_environment().exec, detail::as_task(std::forward<Awaitable>(awaitable)));
}

template <std::derived_from<detail::task_place> Where, class A>
    requires(!detail::awaitable<A>)
[[nodiscard]] auto run_on(Where&, A&&) {
    return detail::refuse_to_await<A>();
}

/// Purpose: `co_await resume_on(where);` moves the rest of the calling task to another runtime or to a
/// strand, behind what is ready there; so also whatever it awaits, forks or waits for later. Its caller
/// is not moved: when the task ends, whoever awaits it goes on where that belongs. Use it in a task<T>;
/// it is refused at compile time in generators and other coroutines.
///
/// Thread safety: any thread; affects the calling task only.
/// Lifetime: `where` must outlive the task's stay, which ends when the task ends or moves on; a
/// runtime's destructor, or a strand's, enforces it. So a task that has moved must come to its end: its
/// frame must not be destroyed before.
/// Errors: std::bad_alloc, and then the task has not moved.
/// Cancellation: it moves also when it is stopped. From then on the end of that runtime stops it, too.
/// Cost: a trip through the queue there; at the first move a small recycled record, and at the end of a
/// task that is away a trip back. Tasks that do not move pay nothing. Nothing where the task is there
/// already.
template <std::derived_from<detail::task_place> Where>
[[nodiscard]] auto resume_on(Where& where) noexcept {
    return detail::resume_on_awaiter(*where.root_environment().exec);
}

} // namespace aloft::inline ALOFT_ABI

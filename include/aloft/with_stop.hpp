// SPDX-License-Identifier: MIT
// with_stop: awaits something that a token can stop. this_task::stop_token: the token of the task.
// Layer: L1 coro
//
// The awaited task gets an environment of its own. It names a state in the awaiter, whose parent is
// what stops the parent task, or else its runtime's end, and which is listed with the token's state:
// either stops it.
//
// 1. The awaiter outlives the child, whose frame it owns, and leaves the token's list when the child
//    has ended, so that no request is inside when it goes.
#pragma once

#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/detail/coro/stop_listener.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/stop.hpp>
#include <aloft/task.hpp>

#include <coroutine>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class T, transfer_mode Mode>
class [[nodiscard]] with_stop_awaiter : stop_listener {
public:
    with_stop_awaiter(stop_state* token, task<T>&& child) noexcept
        : token_(token), child_(std::move(child)) {}
    with_stop_awaiter(const with_stop_awaiter&) = delete;
    with_stop_awaiter& operator=(const with_stop_awaiter&) = delete;
    ~with_stop_awaiter() {
        child_ = {};
        leave();
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        const environment* const outer = environment_of(parent);
        environment_.inherit(outer, stop_of(outer));
        stop_state* const above = stop_above(outer);
        if (token_ == nullptr) {
            // nothing more stops it
        } else if (above == nullptr) {
            environment_.stop = token_;
        } else {
            own_.set_parent(above);
            environment_.stop = &own_;
            if (!listen(*token_, &with_stop_awaiter::stop_own)) {
                (void)own_.request_stop();
            }
        }
        promise<T>& p = task_access::promise_of(child_);
        adopt(p, parent.address(), nullptr, &environment_);
        return transfer_from<Mode>(parent, p.coroutine); // PUBLISHED
    }

    T await_resume() {
        leave();
        return task_access::promise_of(child_).result.take();
    }

private:
    static void stop_own(stop_node& node) noexcept {
        (void)static_cast<with_stop_awaiter&>(node).own_.request_stop();
    }

    stop_state* token_;
    stop_state own_;
    environment environment_;
    task<T> child_;
};

template <class T>
class [[nodiscard]] with_stop_awaitable {
public:
    with_stop_awaitable(stop_state* token, task<T>&& child) noexcept
        : token_(token), child_(std::move(child)) {}

    [[nodiscard]] auto operator co_await() && noexcept {
        return with_stop_awaiter<T, transfer_here>(token_, std::move(child_));
    }

private:
    stop_state* token_;
    task<T> child_;
};

class [[nodiscard]] stop_token_awaiter {
public:
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        const environment* const env = environment_of(self);
        token_ = stop_above(env);
        return false;
    }
    [[nodiscard]] stop_token await_resume() const noexcept { return stop_access::token_of(token_); }

private:
    stop_state* token_ = nullptr;
};

} // namespace detail

/// Purpose: `co_await with_stop(source.get_token(), work());` awaits `work` and whatever it awaits in
/// turn in such a way that the token stops them, besides what stops the awaiting task.
///
/// Thread safety: the token's source may request stop on any thread at any time.
/// Lifetime: the source must outlive the await. A temporary awaitable moves in, an lvalue is referred
/// to.
/// Errors: those of the awaitable; std::bad_alloc if it is no task and there is no memory for one.
/// Cancellation: what has been stopped ends with std::errc::operation_canceled as soon as it awaits
/// something that can wait; with_stop then waits for its end.
/// Cost: no allocation for a task; one short lock at either end.
template <detail::awaitable Awaitable>
[[nodiscard]] auto with_stop(const stop_token& token, Awaitable&& awaitable) {
    using child = decltype(detail::as_task(std::forward<Awaitable>(awaitable)));
    return detail::with_stop_awaitable<typename child::value_type>(
        detail::stop_access::state_of(token), detail::as_task(std::forward<Awaitable>(awaitable)));
}

template <class A>
    requires(!detail::awaitable<A>)
[[nodiscard]] auto with_stop(const stop_token&, A&&) {
    return detail::refuse_to_await<A>();
}

/// About the task that calls.
namespace this_task {

/// Purpose: `stop_token token = co_await this_task::stop_token();` gives what stops this task: the
/// token of the innermost with_stop, with_timeout, when_all, when_any or task group around it, or
/// else that of its runtime, which is stopped when the runtime is destroyed.
///
/// Thread safety: any thread. Lifetime: do not keep the token beyond the task's end. Errors: none.
/// Cancellation: none; it never suspends. Cost: a few instructions.
[[nodiscard]] inline auto stop_token() noexcept {
    return detail::stop_token_awaiter();
}

} // namespace this_task
} // namespace aloft::inline ALOFT_ABI

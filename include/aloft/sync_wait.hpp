// SPDX-License-Identifier: MIT
// sync_wait: blocks a plain thread until a task has ended on the pool.
// Layer: L1 coro
//
// 1. The waiting thread sleeps only while it does not see `ended_`, and the ending thread notifies
//    behind setting it: no wake-up is lost.
// 2. The waiter and the frame belong to the waiting thread, which may destroy them as soon as
//    `ended_` is set. The notification behind it uses the address as a key only, as every
//    implementation of atomic waiting does; at worst it wakes somebody who looks again.
#pragma once

#include <aloft/detail/base/atomic_wait.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/find_environment.hpp>
#include <aloft/detail/coro/local_worker.hpp>

#include <concepts>
#include <coroutine>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

class sync_waiter {
public:
    static std::coroutine_handle<> root_done(promise_base& root) noexcept {
        auto& self = *static_cast<sync_waiter*>(root.owner.load(memory_order_relaxed));
        executor* const exec = root.env == nullptr ? nullptr : root.env->exec;
        // order(sync_wait.ended): release; the task's result becomes visible to the waiting thread
        self.ended_.store(1, memory_order_release); // PUBLISHED
        notify_waiters(self.ended_);
        if (exec != nullptr) {
            count_ended(*exec);
        }
        return std::noop_coroutine();
    }

    void wait() const noexcept {
        // order(sync_wait.ended): acquire; the task's result becomes visible
        wait_while(ended_, 0, memory_order_acquire);
    }

private:
    atomic<int> ended_{0};
};

template <class T>
T sync_wait_on(const environment* env, task<T> root) {
    if (const environment* const here = current_environment()) [[unlikely]] {
        here->exec->pool->refuse_to_block(
            "sync_wait: called on a worker of the pool, which it would block; use co_await, "
            "or offload() for code that must block");
    }
    sync_waiter waiter;
    promise<T>& p = task_access::promise_of(root);
    adopt(p, &waiter, &sync_waiter::root_done, env);
    if (env != nullptr) {
        count_started(*env->exec);
        env->exec->post(p);
    } else {
        resume_chain(p.coroutine);
    }
    waiter.wait();
    return p.result.take();
}

} // namespace detail

/// Purpose: runs an awaitable on the default runtime and blocks this thread until it has ended:
/// the way from main into tasks. In a program without a runtime (only the coroutine headers are
/// included) it runs on this thread.
///
/// Thread safety: may be called on any thread that is no worker, several at once.
/// Lifetime: everything is destroyed when it returns.
/// Errors: rethrows what the awaitable threw. On a worker it throws std::system_error with
/// std::errc::resource_deadlock_would_occur instead of a deadlock.
/// Cancellation: none; it waits for the end.
/// Cost: the thread sleeps and is woken (some microseconds); meant for the edge of a program.
template <detail::awaitable Awaitable>
decltype(auto) sync_wait(Awaitable&& awaitable) {
    return detail::sync_wait_on(
        detail::current_environment() == nullptr ? detail::find_environment() : nullptr,
        detail::as_task(std::forward<Awaitable>(awaitable)));
}

/// The same on a runtime of your choice, or on a strand.
template <std::derived_from<detail::task_place> Runtime, detail::awaitable Awaitable>
decltype(auto) sync_wait(Runtime& rt, Awaitable&& awaitable) {
    return detail::sync_wait_on(&rt.root_environment(),
                                detail::as_task(std::forward<Awaitable>(awaitable)));
}

template <class A>
    requires(!detail::awaitable<A>)
void sync_wait(A&&) {
    (void)detail::refuse_to_await<A>();
}
template <std::derived_from<detail::task_place> Runtime, class A>
    requires(!detail::awaitable<A>)
void sync_wait(Runtime&, A&&) {
    (void)detail::refuse_to_await<A>();
}

} // namespace aloft::inline ALOFT_ABI

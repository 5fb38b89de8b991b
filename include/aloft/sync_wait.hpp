// SPDX-License-Identifier: MIT
// sync_wait: blocks a plain thread until a task has ended on the pool.
// Layer: L1 coro
//
// 1. The waiting thread leaves only after it held the mutex and saw `ended`; the ending thread sets
//    it and notifies while it holds the mutex. So the frame and the waiter, which belong to the
//    waiting thread, are not touched after it left: no wake-up is lost, and none comes too late.
#pragma once

#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/error.hpp>

#include <concepts>
#include <condition_variable>
#include <coroutine>
#include <mutex>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

class sync_waiter {
public:
    static std::coroutine_handle<> root_done(promise_base& root) noexcept {
        auto& self = *static_cast<sync_waiter*>(root.owner.load(std::memory_order_relaxed));
        executor* const exec = root.env == nullptr ? nullptr : root.env->exec;
        {
            const std::scoped_lock lock(self.mutex_);
            self.ended_ = true;
            self.changed_.notify_one();
        } // PUBLISHED
        if (exec != nullptr) {
            count_ended(*exec);
        }
        return std::noop_coroutine();
    }

    void wait() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ended_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool ended_ = false;
};

template <class T>
T sync_wait_on(const environment* env, task<T> root) {
    if (current_environment() != nullptr) {
        throw_error(
            std::make_error_code(std::errc::resource_deadlock_would_occur),
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
/// Cost: a mutex and a condition variable; meant for the edge of a program, not for inside it.
template <detail::awaitable Awaitable>
decltype(auto) sync_wait(Awaitable&& awaitable) {
    return detail::sync_wait_on(
        detail::current_environment() == nullptr ? detail::find_environment() : nullptr,
        detail::as_task(std::forward<Awaitable>(awaitable)));
}

/// The same on a runtime of your choice.
template <std::derived_from<detail::environment_owner> Runtime, detail::awaitable Awaitable>
decltype(auto) sync_wait(Runtime& rt, Awaitable&& awaitable) {
    return detail::sync_wait_on(&rt.root_environment(),
                                detail::as_task(std::forward<Awaitable>(awaitable)));
}

} // namespace aloft::inline ALOFT_ABI

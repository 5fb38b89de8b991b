// SPDX-License-Identifier: MIT
// to_future: a std::future for the result of a task, for code that knows no coroutines.
// Layer: L1 coro
//
// Not in the umbrella header: <future> takes long to compile.
#pragma once

#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/spawn.hpp>
#include <aloft/task.hpp>

#include <concepts>
#include <exception>
#include <future>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class T>
task<void> run_for_future(task<T> work, std::promise<T> promise) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(work);
            promise.set_value();
        } else {
            promise.set_value(co_await std::move(work));
        }
    } catch (...) {
        promise.set_exception(std::current_exception());
    }
}

template <class T>
[[nodiscard]] std::future<T> start_for_future(const environment& env, task<T>&& work) {
    std::promise<T> promise;
    std::future<T> future = promise.get_future();
    spawn_access::start(env, run_for_future(std::move(work), std::move(promise))).detach();
    return future;
}

} // namespace detail

/// Purpose: `std::future<int> f = to_future(work()); int i = f.get();` starts an awaitable now, on the
/// runtime that this thread works for or else on the default runtime.
///
/// Thread safety: may be called on any thread. Do not block on the future in a task: that holds a
/// worker.
/// Lifetime: the runtime joins the task, also if the future is dropped.
/// Errors: what the awaitable throws comes out of the future; std::bad_alloc here.
/// Cancellation: none before the runtime stops.
/// Cost: the shared state of a std::promise, and a recycled frame.
template <detail::awaitable Awaitable>
[[nodiscard]] auto to_future(Awaitable&& awaitable) {
    return detail::start_for_future(detail::need_environment("to_future"),
                                    detail::as_task(std::forward<Awaitable>(awaitable)));
}

/// The same on a runtime of your choice.
template <std::derived_from<detail::task_place> Runtime, detail::awaitable Awaitable>
[[nodiscard]] auto to_future(Runtime& rt, Awaitable&& awaitable) {
    return detail::start_for_future(rt.root_environment(),
                                    detail::as_task(std::forward<Awaitable>(awaitable)));
}

template <class A>
    requires(!detail::awaitable<A>)
[[nodiscard]] auto to_future(A&&) {
    return detail::refuse_to_await<A>();
}
template <std::derived_from<detail::task_place> Runtime, class A>
    requires(!detail::awaitable<A>)
[[nodiscard]] auto to_future(Runtime&, A&&) {
    return detail::refuse_to_await<A>();
}

} // namespace aloft::inline ALOFT_ABI

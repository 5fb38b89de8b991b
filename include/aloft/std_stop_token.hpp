// SPDX-License-Identifier: MIT
// with_stop for std::stop_token, so that a std::jthread's or another library's request stops a task.
// Layer: L1 coro
//
// Not in the umbrella header: <stop_token> takes long to compile.
#pragma once

#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/stop.hpp>
#include <aloft/task.hpp>
#include <aloft/with_stop.hpp>

#include <stop_token>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class T>
task<T> stop_with_std(std::stop_token token, task<T> work) {
    stop_source source;
    const std::stop_callback on_stop(std::move(token), [&source] { source.request_stop(); });
    co_return co_await with_stop(source.get_token(), std::move(work));
}

} // namespace detail

/// Purpose: `co_await with_stop(thread.get_stop_token(), work());` awaits `work` in such a way that the
/// standard library's token stops it, besides what stops the awaiting task.
///
/// Thread safety: stop may be requested on any thread at any time.
/// Lifetime: the standard's state is shared: nothing has to outlive the await. A temporary awaitable
/// moves in, an lvalue is referred to.
/// Errors, cancellation: those of with_stop for a stop_token of aloft.
/// Cost: a recycled frame, a std::stop_callback, a short lock at either end.
template <detail::awaitable Awaitable>
[[ALOFT_CORO_MOVES nodiscard]] auto with_stop(std::stop_token token, Awaitable&& awaitable) {
    return detail::stop_with_std(std::move(token),
                                 detail::as_task(std::forward<Awaitable>(awaitable)));
}

template <class A>
    requires(!detail::awaitable<A>)
[[nodiscard]] auto with_stop(std::stop_token, A&&) {
    return detail::refuse_to_await<A>();
}

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// with_priority: awaits something whose ready work free workers take earlier, or later, than other.
// Layer: L1 coro
//
// How workers mix the classes, and the bounds that keep each from starving:
// detail/runtime/worker_lanes.hpp.
#pragma once

#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/priority_class.hpp>
#include <aloft/run_on.hpp>
#include <aloft/spawn.hpp>
#include <aloft/task.hpp>

#include <concepts>
#include <coroutine>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

/// Runs the child on the executor of its class, which is known when it is awaited.
template <class T, transfer_mode Mode>
class [[nodiscard]] priority_awaiter : run_on_awaiter<T, Mode> {
    using base = run_on_awaiter<T, Mode>;

public:
    priority_awaiter(priority p, task<T>&& child) noexcept
        : base(nullptr, std::move(child)), priority_(p) {}

    using base::await_ready;

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        executor* const own = executor_of(environment_of(parent));
        this->send_to(own == nullptr ? nullptr : &own->in_class(priority_));
        return base::await_suspend(parent); // PUBLISHED
    }

    using base::await_resume;

private:
    priority priority_;
};

template <class T>
class [[nodiscard]] priority_awaitable {
public:
    priority_awaitable(priority p, task<T>&& child) noexcept
        : priority_(p), child_(std::move(child)) {}

    [[nodiscard]] auto operator co_await() && noexcept {
        return priority_awaiter<T, transfer_here>(priority_, std::move(child_));
    }

private:
    priority priority_;
    task<T> child_;
};

} // namespace detail

/// Purpose: `co_await with_priority(priority::background, work());` awaits `work`, and whatever that
/// awaits and forks, as work of this class; the caller goes on in its own. A free worker takes what is
/// ready of class high first, of background last, and of each class the oldest first; but none waits
/// for ever: see the bounds in detail/runtime/worker_lanes.hpp. Nothing that runs is interrupted.
///
/// On a strand it changes nothing, as that has an order of its own; what is sent to a strand or another
/// runtime by run_on, or spawned without a class, is of class normal. Without a runtime it has no
/// effect.
///
/// Thread safety, Lifetime, Errors, Cancellation: as run_on.
/// Cost: work of the other classes goes through one queue for all workers, with a lock and some atomic
/// operations each time that it becomes ready. Normal work pays nothing.
template <detail::awaitable Awaitable>
[[nodiscard]] auto with_priority(priority p, Awaitable&& awaitable) {
    using child = decltype(detail::as_task(std::forward<Awaitable>(awaitable)));
    return detail::priority_awaitable<typename child::value_type>(
        p, detail::as_task(std::forward<Awaitable>(awaitable)));
}

template <class A>
    requires(!detail::awaitable<A>)
[[nodiscard]] auto with_priority(priority, A&&) {
    return detail::refuse_to_await<A>();
}

/// spawn() as work of this class.
template <detail::spawnable Work>
auto spawn(priority p, Work&& work) {
    return detail::guard_temporary<detail::is_endangered_temporary<Work>>(
        detail::spawn_access::start(*detail::need_environment("spawn").exec->in_class(p).root,
                                    detail::work_as_task(std::forward<Work>(work))));
}

/// The same on a runtime of your choice.
template <std::derived_from<detail::task_place> Runtime, detail::spawnable Work>
auto spawn(Runtime& rt, priority p, Work&& work) {
    return detail::guard_temporary<detail::is_endangered_temporary<Work>>(
        detail::spawn_access::start(*rt.root_environment().exec->in_class(p).root,
                                    detail::work_as_task(std::forward<Work>(work))));
}

} // namespace aloft::inline ALOFT_ABI

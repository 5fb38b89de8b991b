// SPDX-License-Identifier: MIT
// once: runs a function once, whoever comes first; the others wait until it has been run.
// Layer: L1 coro
//
// The states, and why nobody is left waiting: detail/coro/once_state.hpp.
#pragma once

#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/once_state.hpp>
#include <aloft/detail/coro/temporary_closure.hpp>
#include <aloft/detail/coro/transfer.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: `co_await o.call(f);` runs `f`, a function or one that returns an awaitable, unless it has
/// been run before, and goes on when it has (std::call_once for tasks).
///
/// Thread safety: call() is awaited in any number of tasks; done() may be called on any thread.
/// Lifetime: must outlive its calls. `f` and what it captures live until the await ends.
/// Errors: what `f` throws comes out of the call that ran it, and the one that waits longest runs its
/// own function then. A function that calls the same once waits for itself.
/// Cancellation: a call() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled while it waits for others; where it runs `f`, that ends as it ends.
/// Cost: a load when it has been run. Otherwise a short lock at either end, and one recycled frame.
class once {
public:
    once() noexcept = default;
    once(const once&) = delete;
    once& operator=(const once&) = delete;
    ~once() = default;

    template <class Function>
    class [[nodiscard]] call_awaitable {
    public:
        template <class F>
        call_awaitable(once& o, F&& function) : once_(&o), function_(std::forward<F>(function)) {}

        [[nodiscard]] auto operator co_await() noexcept {
            return detail::once_awaiter<Function, detail::transfer_here>(once_->state_, function_,
                                                                         "once");
        }

    private:
        once* once_;
        Function function_;
    };

    /// Runs `function`, or waits until another call has run its own.
    template <class Function>
        requires std::invocable<std::decay_t<Function>&>
    [[nodiscard]] auto call(Function&& function) {
        return detail::guard_temporary<detail::is_endangered_temporary<Function>>(
            call_awaitable<std::decay_t<Function>>(*this, std::forward<Function>(function)));
    }

    /// Whether a function has been run to its end.
    [[nodiscard]] bool done() const noexcept { return state_.done(); }

private:
    detail::once_state state_;
};

} // namespace aloft::inline ALOFT_ABI

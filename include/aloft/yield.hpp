// SPDX-License-Identifier: MIT
// yield: lets everything else that is ready on this worker go first.
// Layer: L1 coro
#pragma once

#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/detail/coro/transfer.hpp>

#include <coroutine>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <transfer_mode Mode>
class [[nodiscard]] yield_awaiter : work_node {
public:
    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Promise>
    await_suspend(std::coroutine_handle<Promise> self) noexcept {
        const environment* env = environment_of(self);
        if (env == nullptr) {
            return transfer_from<Mode>(self, self);
        }
        coroutine = self;
        reschedule(*env->exec, *this);
        return stay_suspended<Mode, Promise>(); // PUBLISHED
    }

    void await_resume() const noexcept {}
};

} // namespace detail

/// Purpose: `co_await yield();` puts the calling task behind what is ready; any free worker may
/// pick it up. Without a runtime it does nothing.
/// Thread safety: any thread. Lifetime: none of its own. Errors: none. Cancellation: none.
/// Cost: a trip through the worker's run queue; no allocation, no system call.
[[nodiscard]] ALOFT_ALWAYS_INLINE auto yield() noexcept {
    return detail::yield_awaiter<detail::transfer_here>();
}

} // namespace aloft::inline ALOFT_ABI

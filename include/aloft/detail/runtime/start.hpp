// SPDX-License-Identifier: MIT
// Where operations and timers start: on this worker, or on some worker of the task's runtime.
// Layer: L3 runtime
//
// 1. A task's operations go to its own runtime, whose destructor cancels them; also when somebody
//    else's thread, or another runtime's worker, happens to run the task.
// 2. Finding the place may throw (the default runtime may have to be made); starting never does.
#pragma once

#include <aloft/runtime.hpp>

namespace aloft::inline ALOFT_ABI::detail {

class start_place {
public:
    explicit start_place(const environment* env) : here_(current_worker()) {
        if (env == nullptr && here_ == nullptr) {
            env = &need_environment("an operation");
        }
        if (env != nullptr && (here_ == nullptr || here_->shared().exec != env->exec)) {
            here_ = nullptr;
            elsewhere_ = static_cast<scheduler*>(env->exec);
        }
    }

    /// From now on `op` belongs to a reactor; its coroutine is resumed on a worker.
    void start(operation& op) const noexcept {
        if (here_ != nullptr) [[likely]] {
            here_->submit(op);
        } else {
            elsewhere_->start_foreign(op);
        } // PUBLISHED
    }

    /// False: the runtime is stopping; the timer is marked as refused and its coroutine goes on.
    [[nodiscard]] bool start(timer& t) const noexcept {
        if (here_ != nullptr) [[likely]] {
            return here_->start_timer(t);
        }
        elsewhere_->start_foreign(t); // PUBLISHED
        return true;
    }

private:
    worker* here_;
    scheduler* elsewhere_ = nullptr;
};

/// Whether an operation that can complete at once may do so without the scheduler.
[[nodiscard]] inline bool may_complete_at_once() noexcept {
    worker* const here = current_worker();
    return here != nullptr && here->spend_budget();
}

/// Whether this thread works for a runtime that is being destroyed.
[[nodiscard]] inline bool is_stopping_here() noexcept {
    const worker* const here = current_worker();
    return here != nullptr && here->stopping();
}

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// The environment of a task that runs elsewhere than the one that awaits it.
// Layer: L1 coro
//
// It inherits everything but the executor. Where that belongs to another runtime, the task is stopped
// by what stops the awaiting task, that one's runtime's end included, and by the other runtime's end.
//
// 1. enter() comes before anything runs in this environment, or, to go somewhere else, while nothing
//    but the caller does. leave() comes before it goes: then no request is inside.
#pragma once

#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/stop_listener.hpp>
#include <aloft/detail/coro/stop_state.hpp>

namespace aloft::inline ALOFT_ABI::detail {

class away_environment : public environment, stop_listener {
public:
    away_environment() noexcept = default;

    /// Before the first enter().
    void begin(const environment* outer) noexcept {
        inherit(outer, stop_of(outer));
        own_.set_parent(stop_above(outer));
    }

    void enter(const environment* outer, executor& to) noexcept {
        exec = &to;
        executor* const from = executor_of(outer);
        if (from != nullptr && from->pool == to.pool) {
            stop = stop_of(outer);
            return;
        }
        stop = &own_;
        if (to.root_stop != nullptr && !listen(*to.root_stop, &away_environment::stop_own)) {
            (void)own_.request_stop();
        }
    }

    using stop_listener::leave;

private:
    static void stop_own(stop_node& node) noexcept {
        (void)static_cast<away_environment&>(node).own_.request_stop();
    }

    stop_state own_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// Who runs a function that is to run once, and how the others wait for it: once and once_async.
// Layer: L1 coro
//
//   state:   idle --somebody comes--> running --the function returns--> done
//            running --it throws, or its frame is destroyed--> running by the first waiter, or idle
//   waiter:  runs it, or is resumed when it is done, or runs it when it is its turn
//
// 1. Whether somebody runs it, and the queue, are touched under the room's lock. Whoever comes while
//    it runs joins the queue in the critical section in which it looked; whoever ends running gives
//    to the queue in one: no wake-up is lost. `done_` only saves the lock: it is set under it.
// 2. A waiter that is made the runner is not resumed: its child task is posted in its place, and
//    resumes it at its end. So that nothing can fail then, the child is made before the waiter joins.
// 3. Whoever sees it done may destroy it: the runner touches nothing behind that but the room's lock,
//    for which the destructor waits.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/detail/coro/transfer.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/error.hpp>
#include <aloft/task.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class once_state {
public:
    static constexpr std::uint8_t passes = 0; // kinds of room_waiter
    static constexpr std::uint8_t runs = 1;

    once_state() noexcept = default;
    ~once_state() { require(!running_, "a once was destroyed while its function runs"); }

    [[nodiscard]] bool done() const noexcept {
        // order(once.done): acquire; what the function did becomes visible
        return done_.load(std::memory_order_acquire);
    }

    [[nodiscard]] waiting_room& room() noexcept { return room_; }

    /// Under the room's lock. False: it runs.
    [[nodiscard]] bool enter(room_waiter& w) noexcept {
        if (running_) {
            return false;
        }
        running_ = !done_.load(std::memory_order_relaxed);
        w.kind = running_ ? runs : passes;
        return true;
    }

    void leave(bool succeeded) noexcept {
        work_list woken;
        {
            const spin_guard guard(room_.lock());
            running_ = !succeeded && !room_.empty();
            if (succeeded) {
                // order(once.done): release; what the function did becomes visible
                done_.store(true, std::memory_order_release);
                room_.give_all(woken);
            } else if (running_) {
                room_.first()->kind = runs;
                room_.give(*room_.first(), woken);
            }
        } // PUBLISHED
        waiting_room::resume_all(woken);
    }

private:
    bool running_ = false;
    atomic<bool> done_{false};
    waiting_room room_; // its destructor runs first
};

/// Ends running, one way or the other.
class once_run {
public:
    explicit once_run(once_state& state) noexcept : state_(&state) {}
    once_run(const once_run&) = delete;
    once_run& operator=(const once_run&) = delete;
    ~once_run() {
        if (state_ != nullptr) {
            state_->leave(false);
        }
    }
    void succeeded() noexcept { std::exchange(state_, nullptr)->leave(true); }

private:
    once_state* state_;
};

/// `runner` is the awaiter of whoever runs it: it waits for nothing here any more, so that its frame
/// may be destroyed while the function runs.
template <class Function>
task<void> run_once(room_waiter& runner, once_state& state, Function& function) {
    once_run run(state);
    (void)waiting_room::resumed(runner);
    if constexpr (awaitable<std::invoke_result_t<Function&>>) {
        (void)co_await function();
    } else {
        (void)function();
    }
    run.succeeded();
    co_return;
}

template <class Function, transfer_mode Mode>
class [[nodiscard]] once_awaiter : room_waiter {
public:
    once_awaiter(once_state& state, Function& function, const char* who) noexcept
        : state_(&state), function_(&function), who_(who) {}
    once_awaiter(const once_awaiter&) = delete;
    once_awaiter& operator=(const once_awaiter&) = delete;
    ~once_awaiter() { waiting_room::forget(*this); }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) {
        const environment* const env = environment_of(parent);
        resume = &once_awaiter::go_on;
        const auto done = [&] {
            if (state_->done()) {
                return true;
            }
            child_ = run_once(*this, *state_, *function_);
            adopt(task_access::promise_of(child_), parent.address(), nullptr, env);
            return false;
        };
        if (state_->room().wait(
                *this, parent, env, done, [this] { return state_->enter(*this); }, who_)) {
            return stay_suspended<Mode, Parent>(); // PUBLISHED
        }
        if (phase == wait_phase::given && kind == once_state::runs) {
            return transfer_from<Mode>(parent, task_access::promise_of(child_).coroutine);
        }
        return transfer_from<Mode>(parent, parent);
    }

    void await_resume() {
        if (!waiting_room::resumed(*this)) [[unlikely]] {
            throw_error(canceled_error(), who_);
        }
        if (kind == once_state::runs) {
            task_access::promise_of(child_).result.take();
        }
    }

private:
    static void go_on(room_waiter& w) noexcept {
        auto& self = static_cast<once_awaiter&>(w);
        if (w.phase == wait_phase::given && w.kind == once_state::runs) {
            w.coroutine = task_access::promise_of(self.child_).coroutine;
        }
        make_ready(*w.exec, w); // PUBLISHED
    }

    once_state* state_;
    Function* function_;
    const char* who_;
    task<void> child_; // destroyed first
};

} // namespace aloft::inline ALOFT_ABI::detail

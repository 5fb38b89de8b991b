// SPDX-License-Identifier: MIT
// with_timeout: awaits something for a limited time.
// Layer: L4 surface
//
// The awaited task runs with a stop state of its own, and a timer in the worker's wheel requests stop
// when the time is over. Two parties may hold the awaiter: the child and the timer.
//
//   both --child ends, takes the timer out----> parent resumed by the child's end
//   both --child ends, the timer has fired----> timer only --its callback--> parent resumed by it
//   both --timer's callback requests stop-----> child only --child ends----> parent resumed by it
//
// 1. `parties_` counts them; whoever brings it to 0 resumes the parent, so exactly one does, and
//    nobody touches the awaiter later. A timer that was taken out is no party any more.
// 2. `expired_` is written by the callback before it gives up its part, and read by the parent.
// 3. If the child ends with a value in spite of the request, the value counts.
// 4. The timer is the wheel's also around a single operation. A linked timeout of the ring
//    (IORING_OP_LINK_TIMEOUT) needs no stop state and 58 instructions here instead of 695, but the
//    kernel arms and disarms a timer of its own for it, and posts a second completion. A receive of
//    one byte over TCP that comes in time costs 0.5 us of CPU time more with the wheel and 0.7 us
//    more with the link (pairs of 40 interleaved rounds; g++ 12.2, Linux 6.18); there is no further
//    system call either way.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/lean_chrono.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/callback_frame.hpp>
#include <aloft/detail/coro/detour.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/detail/runtime/entrance.hpp>
#include <aloft/error.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>

#include <atomic>
#include <coroutine>
#include <system_error>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class T, transfer_mode Mode>
class [[nodiscard]] with_timeout_awaiter : callback_frame, timer {
public:
    with_timeout_awaiter(clock_ns nanoseconds, task<T>&& child) noexcept
        : callback_frame([](callback_frame* frame) noexcept {
              static_cast<with_timeout_awaiter*>(frame)->time_is_over();
          }),
          child_(std::move(child)) {
        deadline = nanoseconds;
    }
    with_timeout_awaiter(const with_timeout_awaiter&) = delete;
    with_timeout_awaiter& operator=(const with_timeout_awaiter&) = delete;
    ~with_timeout_awaiter() {
        if (running_) [[unlikely]] { // the frame is destroyed early
            child_ = {};
            require(!timing_ || detail::remove(*this),
                    "a frame was destroyed after its time limit had expired and before it ended");
        }
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) {
        const environment* const outer = environment_of(parent);
        own_.set_parent(stop_above(outer));
        environment_.inherit(outer, &own_);
        parent_ = parent;
        promise<T>& p = task_access::promise_of(child_);
        start_timer(outer, start_place(outer));
        adopt(p, this, &child_ended, &environment_);
        running_ = true;
        return transfer_from<Mode>(parent, p.coroutine); // PUBLISHED
    }

    T await_resume() {
        running_ = false;
        auto& result = task_access::promise_of(child_).result;
        if (!expired_ || !result.failed()) [[likely]] {
            return result.take();
        }
        try {
            return result.take();
        } catch (const std::system_error& error) {
            if (error.code() == std::errc::operation_canceled) {
                throw_error(std::make_error_code(std::errc::timed_out), "with_timeout");
            }
            throw;
        }
    }

private:
    void start_timer(const environment* outer, const start_place& place) noexcept {
        if (deadline == 0) {
            expired_ = true;
            (void)own_.request_stop();
            return;
        }
        deadline = after_now(outer, deadline);
        coroutine = handle();
        stoppable = true; // on a thread that is no worker it may not have been added at the end
        timing_ = true;
        parties_.store(2, std::memory_order_relaxed);
        if (!place.start(*this)) { // the runtime is stopping
            timing_ = false;
        }
    }

    static std::coroutine_handle<> child_ended(promise_base& child) noexcept {
        auto& self =
            *static_cast<with_timeout_awaiter*>(child.owner.load(std::memory_order_relaxed));
        const std::coroutine_handle<> parent = self.parent_;
        if (!self.timing_ || detail::remove(self)) {
            return parent;
        }
        // order(with_timeout.parties): acq_rel; either party's writes become visible to the parent
        return self.parties_.fetch_sub(1, std::memory_order_acq_rel) == 1 ? parent
                                                                          : std::noop_coroutine();
    }

    void time_is_over() noexcept {
        if (phase == timer_phase::fired) { // else it was refused: the runtime is stopping
            expired_ = true;
            (void)own_.request_stop();
        }
        const std::coroutine_handle<> parent = parent_;
        // order(with_timeout.parties): acq_rel; either party's writes become visible to the parent
        if (parties_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            if (takes_detours(environment_.exec)) [[unlikely]] {
                coroutine = parent;
                environment_.exec->post(*this); // PUBLISHED
            } else {
                resume_next(parent);
            }
        } // PUBLISHED
    }

    stop_state own_;
    environment environment_;
    std::coroutine_handle<> parent_{};
    atomic<int> parties_{1};
    bool timing_ = false; // there is, or was, a timer
    bool running_ = false;
    bool expired_ = false;
    task<T> child_;
};

template <class T>
class [[nodiscard]] with_timeout_awaitable {
public:
    with_timeout_awaitable(clock_ns nanoseconds, task<T>&& child) noexcept
        : nanoseconds_(nanoseconds), child_(std::move(child)) {}

    [[nodiscard]] auto operator co_await() && noexcept {
        return with_timeout_awaiter<T, transfer_here>(nanoseconds_, std::move(child_));
    }

private:
    clock_ns nanoseconds_;
    task<T> child_;
};

} // namespace detail

/// Purpose: `co_await with_timeout(50ms, work());` awaits `work` for at most that long, counted from
/// the await; then stops it, waits for its end, and throws std::errc::timed_out.
///
/// Thread safety: any thread; needs a runtime.
/// Lifetime: a temporary awaitable moves in, an lvalue is referred to.
/// Errors: those of the awaitable; std::errc::timed_out if the time was over and the awaitable ended
/// as cancelled. A result that it gives in spite of the request counts.
/// Cancellation: what stops the awaiting task stops the awaitable, too. Code that never awaits
/// anything is not interrupted.
/// Cost: a timer in the worker's wheel, put in and taken out: less than a linked timeout of the ring
/// costs, also around a single operation. No allocation for a task, one recycled frame for other
/// awaitables, no descriptor, no system call.
template <class Rep, class Period, detail::awaitable Awaitable>
[[nodiscard]] auto with_timeout(std::chrono::duration<Rep, Period> limit, Awaitable&& awaitable) {
    using child = decltype(detail::as_task(std::forward<Awaitable>(awaitable)));
    return detail::with_timeout_awaitable<typename child::value_type>(
        detail::to_nanoseconds(limit), detail::as_task(std::forward<Awaitable>(awaitable)));
}

template <class Rep, class Period, class A>
    requires(!detail::awaitable<A>)
[[nodiscard]] auto with_timeout(std::chrono::duration<Rep, Period>, A&&) {
    return detail::refuse_to_await<A>();
}

} // namespace aloft::inline ALOFT_ABI

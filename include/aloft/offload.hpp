// SPDX-License-Identifier: MIT
// offload: runs a blocking call on the blocking pool and comes back with what it returned.
// Layer: L1 coro
//
// 1. The awaiter, in the awaiting frame, holds the call, its function and its result. The pool's
//    thread writes the result and then posts the awaiter; posting hands everything back.
// 2. Where the task can be stopped, a stop withdraws the call. The pool answers it once, whichever
//    comes first (blocking_pool.hpp), and the awaiter leaves the stop state's list when resumed.
// 3. At the runtime's end the call is answered while there are workers, whether a task waits for it or
//    a coroutine that the library does not know (scheduler.hpp): the frame is always resumed.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/outcome.hpp>
#include <aloft/detail/coro/stop_listener.hpp>
#include <aloft/detail/coro/temporary_closure.hpp>
#include <aloft/detail/coro/transfer.hpp>
#include <aloft/error.hpp>

#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class F>
class [[nodiscard]] offload_awaiter : work_node, blocking_call, stop_listener {
    using value = std::invoke_result_t<F&>;

public:
    explicit offload_awaiter(F& function) noexcept : function_(&function) {}
    offload_awaiter(const offload_awaiter&) = delete;
    offload_awaiter& operator=(const offload_awaiter&) = delete;
    ~offload_awaiter() {
        require(!in_flight_, "a frame was destroyed while a call that it offloaded was running");
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    ALOFT_AWAIT_SUSPEND void await_suspend(std::coroutine_handle<Promise> self) {
        const environment* const env = environment_of(self);
        exec_ = &need_executor(env, "offload");
        coroutine = self;
        blocking_call::run = &offload_awaiter::invoke;
        in_flight_ = true;
        stop_state* const stop = stop_of(env);
        if (stop != nullptr && !listen(*stop, &offload_awaiter::withdraw)) {
            exec_->withdraw_blocking(*this);
        }
        exec_->run_blocking(*this); // PUBLISHED
    }

    value await_resume() {
        in_flight_ = false;
        leave();
        return result_.take();
    }

private:
    static void withdraw(stop_node& node) noexcept {
        auto& self = static_cast<offload_awaiter&>(node);
        self.exec_->withdraw_blocking(self);
    }

    static void invoke(blocking_call& call, outcome_kind kind) noexcept {
        auto& self = static_cast<offload_awaiter&>(call);
        try {
            if (kind == outcome_kind::canceled) {
                throw_error(canceled_error(), "offload");
            }
            if (kind == outcome_kind::no_thread) {
                throw_error(std::make_error_code(std::errc::resource_unavailable_try_again),
                            "offload: no thread of the blocking pool could be started");
            }
            if constexpr (std::is_void_v<value>) {
                (*self.function_)();
                self.result_.set_value();
            } else {
                self.result_.set_value((*self.function_)());
            }
        } catch (...) {
            self.result_.set_error(std::current_exception());
        }
        self.exec_->post(self); // PUBLISHED
    }

    F* function_;
    outcome<value> result_;
    executor* exec_ = nullptr;
    bool in_flight_ = false;
};

template <class F>
concept can_be_offloaded = requires(std::decay_t<F>& function) {
    function(); // a copy is called, without arguments
};

/// The function, until it is awaited. The awaiter refers to it: it stays for the whole co_await.
template <class F>
class [[nodiscard]] offload_awaitable {
public:
    template <class G>
    explicit offload_awaitable(std::in_place_t, G&& function)
        : function_(std::forward<G>(function)) {}

    [[nodiscard]] auto operator co_await() & noexcept { return offload_awaiter<F>(function_); }
    [[nodiscard]] auto operator co_await() && noexcept { return offload_awaiter<F>(function_); }

private:
    F function_;
};

} // namespace detail

/// Purpose: `auto v = co_await offload([&] { return blocking_call(); });` for calls that block.
/// They run on threads of their own, which grow with the demand up to
/// runtime_options::blocking_threads and never count against the pool's workers.
///
/// With g++ 12, name the awaitable if a temporary lambda captures objects: `auto call =
/// offload([file] { ... }); co_await call;` the compiler says so where it matters.
///
/// Thread safety: the function runs on another thread while the caller is suspended, so it may use
/// the caller's locals. That thread is no worker: spawn() and runtime::current() in the function
/// mean the default runtime, and sync_wait() is allowed.
/// Lifetime: the function moves into the awaitable, which stays for the whole co_await.
/// Errors: rethrows what the function threw; std::errc::resource_unavailable_try_again if not one
/// thread could be started.
/// Cancellation: a call that runs is waited for; one that has not begun when the task or the runtime
/// is stopped ends with std::errc::operation_canceled.
/// Cost: two thread switches (some microseconds), no allocation.
template <detail::can_be_offloaded F>
[[nodiscard]] auto offload(F&& function) {
    return detail::guard_temporary<detail::is_endangered_temporary<F>>(
        detail::offload_awaitable<std::decay_t<F>>(std::in_place, std::forward<F>(function)));
}

} // namespace aloft::inline ALOFT_ABI

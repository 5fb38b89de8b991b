// SPDX-License-Identifier: MIT
// spawn: starts a task or a function on the pool now, and gives a handle to join it.
// Layer: L1 coro
//
// Life cycle of the frame and proof that it is destroyed once: detail/coro/join_state.hpp.
#pragma once

#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/join_state.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/stop_listener.hpp>
#include <aloft/detail/coro/temporary_closure.hpp>
#include <aloft/error.hpp>

#include <concepts>
#include <coroutine>
#include <new>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

template <class T>
class join_handle;

namespace detail {

template <class T, transfer_mode Mode>
class [[nodiscard]] join_awaiter : stop_listener {
public:
    explicit join_awaiter(join_handle<T>& handle) noexcept : handle_(&handle) {}
    join_awaiter(const join_awaiter&) = delete;
    join_awaiter& operator=(const join_awaiter&) = delete;
    ~join_awaiter() {
        if (waiting_) {
            leave();
            join_state::leave(*handle_->promise_, waiter_);
        }
    }

    [[nodiscard]] bool await_ready() const noexcept { return handle_->done(); }

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        const environment* env = environment_of(parent);
        ::new (static_cast<void*>(&waiter_)) join_waiter;
        suspended_ = true;
        waiter_.coroutine = parent;
        waiter_.exec = executor_of(env);
        if (stop_state* const stop = stop_of(env); stop != nullptr && !begin_listening(*stop)) {
            waiter_.stopped = true;
            return transfer_from<Mode>(parent, parent);
        }
        waiting_ = true;
        if (join_state::join(*handle_->promise_, waiter_) == join_answer::waiting) {
            return stay_suspended<Mode, Parent>(); // PUBLISHED
        }
        return transfer_from<Mode>(parent, parent);
    }

    T await_resume() {
        if (suspended_) {
            waiting_ = false;
            leave();
            if (waiter_.stopped) [[unlikely]] {
                throw_error(canceled_error(), "join");
            }
        }
        // The frame goes when the value has been moved out, also by exception.
        const ended_frame ended{std::exchange(handle_->promise_, nullptr)};
        return ended.task->result.take();
    }

private:
    [[nodiscard]] bool begin_listening(stop_state& stop) noexcept {
        waiter_.stoppable = true;
        return listen(stop, [](stop_node& node) noexcept {
            auto& self = static_cast<join_awaiter&>(node);
            executor* const exec = self.waiter_.exec;
            if (join_state::stop_waiting(*self.handle_->promise_, self.waiter_)) {
                if (exec != nullptr) {
                    exec->post(self.waiter_); // PUBLISHED
                } else {
                    resume_chain(self.waiter_.coroutine);
                }
            }
        });
    }

    /// It is known that the task has ended, and its exception, if any, has been collected: detach()
    /// would ask, with an atomic operation that waits for the frame to come from another core's cache.
    struct ended_frame {
        promise<T>* task;
        ~ended_frame() { task->coroutine.destroy(); }
    };

    join_handle<T>* handle_;
    union {
        join_waiter waiter_; // if suspended_: most tasks have ended when they are joined
    };
    bool suspended_ = false;
    bool waiting_ = false;
};

struct spawn_access;

template <class F>
using callable_result_t = std::invoke_result_t<std::decay_t<F>&>;

/// The callable moves into the frame and lives as long as the task that it returned.
template <class F>
task<task_result_t<callable_result_t<F>>> run_coroutine_function(F function) {
    co_return co_await function();
}

template <class F>
task<callable_result_t<F>> run_function(F function) {
    co_return function();
}

template <class Work>
concept spawnable = awaitable<Work> || std::invocable<std::decay_t<Work>&>;

template <class Work>
[[ALOFT_CORO_MOVES nodiscard]] auto work_as_task(Work&& work) {
    if constexpr (awaitable<Work>) {
        return as_task(std::forward<Work>(work));
    } else if constexpr (awaitable<callable_result_t<Work>>) {
        return run_coroutine_function<std::decay_t<Work>>(std::forward<Work>(work));
    } else {
        return run_function<std::decay_t<Work>>(std::forward<Work>(work));
    }
}

} // namespace detail

/// Purpose: the other end of a spawned task; await it, as an lvalue or an rvalue, to join.
///
/// Thread safety: one owner at a time; it may be awaited on any runtime, and that is where the
/// awaiting coroutine goes on.
/// Lifetime: move-only. Dropping it, or detach(), lets the task run on; the runtime's destructor
/// joins it. Do not move or destroy it while it is being awaited.
/// Errors: rethrows what the task threw. An exception that nobody collected goes to the runtime's
/// on_unhandled. Awaiting an empty handle ends the program with a sentence that says so.
/// Cancellation: dropping the handle does not stop the task. A join that is stopped ends with
/// std::errc::operation_canceled; the task runs on, and the handle may be awaited again.
/// Cost: no memory of its own; joining is one atomic operation, or none if the task has ended.
template <class T = void>
class [[nodiscard]] join_handle {
public:
    using value_type = T;

    join_handle() noexcept = default;
    join_handle(join_handle&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
    join_handle& operator=(join_handle&& other) noexcept {
        if (this != &other) {
            detach();
            promise_ = std::exchange(other.promise_, nullptr);
        }
        return *this;
    }
    ~join_handle() { detach(); }

    /// Whether there is a task to join.
    [[nodiscard]] bool valid() const noexcept { return promise_ != nullptr; }
    explicit operator bool() const noexcept { return valid(); }

    /// Whether the task has ended.
    [[nodiscard]] bool done() const noexcept {
        detail::require(valid(), "an empty join_handle was used");
        return detail::join_state::is_done(*promise_);
    }

    /// Gives the task up: it runs on, and the runtime's destructor joins it.
    void detach() noexcept {
        detail::promise<T>* const p = std::exchange(promise_, nullptr);
        if (p != nullptr && detail::join_state::drop(*p) == detail::drop_answer::already_done) {
            detail::join_state::report_uncollected(*p);
            p->coroutine.destroy();
        }
    }

    [[nodiscard]] ALOFT_ALWAYS_INLINE auto operator co_await() & noexcept {
        return detail::join_awaiter<T, detail::transfer_here>(*this);
    }
    [[nodiscard]] ALOFT_ALWAYS_INLINE auto operator co_await() && noexcept {
        return detail::join_awaiter<T, detail::transfer_here>(*this);
    }

private:
    friend detail::spawn_access;
    template <class, detail::transfer_mode>
    friend class detail::join_awaiter;

    explicit join_handle(detail::promise<T>& p) noexcept : promise_(&p) {}

    detail::promise<T>* promise_ = nullptr;
};

namespace detail {

struct spawn_access {
    template <class T>
    [[nodiscard]] static join_handle<T> start(const environment& env, task<T>&& work) noexcept {
        promise<T>& p = task_access::promise_of(work);
        adopt(p, join_state::unawaited(), &join_state::ended<T>, &env);
        (void)task_access::release(work);
        fork_root(*env.exec, p); // PUBLISHED; the handle keeps the frame
        return join_handle<T>(p);
    }
};

/// Ends an overload that takes what the others refuse, with a sentence.
template <class... Work>
[[nodiscard]] join_handle<void> refuse_to_spawn() {
    static_assert(sizeof...(Work) == 0,
                  "spawn takes a task, anything else that can be awaited, or a function without "
                  "parameters, and before it a runtime or nothing");
    return {};
}

} // namespace detail

/// Purpose: starts `work` now, on the runtime that this thread works for or else on the default
/// runtime: a task, any awaitable, a function, or a function that returns a task (which keeps the
/// function object alive). `auto h = spawn([] { return heavy(); });` is C#'s Task.Run.
///
/// With g++ 12, await the handle of a temporary lambda that captures objects by its name (see
/// detail/coro/temporary_closure.hpp); the compiler says so where it matters.
///
/// Thread safety: may be called on any thread.
/// Lifetime: what is passed is moved into the task; the runtime joins it at the latest.
/// Errors: std::bad_alloc if there is no memory for the frame; otherwise what `work` throws comes
/// out of the handle.
/// Cancellation: none before the runtime stops.
/// Cost: no allocation for a task; one recycled frame for a function; a push to the worker's deque.
template <detail::spawnable Work>
auto spawn(Work&& work) {
    return detail::guard_temporary<detail::is_endangered_temporary<Work>>(
        detail::spawn_access::start(detail::need_environment("spawn"),
                                    detail::work_as_task(std::forward<Work>(work))));
}

/// The same on a runtime of your choice, or on a strand.
template <std::derived_from<detail::task_place> Runtime, detail::spawnable Work>
auto spawn(Runtime& rt, Work&& work) {
    return detail::guard_temporary<detail::is_endangered_temporary<Work>>(
        detail::spawn_access::start(rt.root_environment(),
                                    detail::work_as_task(std::forward<Work>(work))));
}

template <class Work>
    requires(!detail::spawnable<Work>)
auto spawn(Work&&) {
    return detail::refuse_to_spawn<Work>();
}
template <class Runtime, class Work>
    requires(!detail::spawnable<Work> ||
             !std::derived_from<std::remove_cvref_t<Runtime>, detail::task_place>)
auto spawn(Runtime&&, Work&&) {
    return detail::refuse_to_spawn<Runtime, Work>();
}

} // namespace aloft::inline ALOFT_ABI

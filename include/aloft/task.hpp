// SPDX-License-Identifier: MIT
// task<T>: a lazy coroutine that starts when it is awaited.
// Layer: L1 coro
//
// Life cycle: created -> started by an await (or by spawn, when_all, sync_wait) -> suspended and
// resumed any number of times, on any thread -> ended; the frame goes with the task object.
//
// 1. A task is awaited at most once, and not destroyed between its start and its end (its owner is
//    the frame that awaits it, which cannot go on before).
// 2. A child runs on the thread that awaits it, and its end resumes the parent on the thread where
//    it ended: awaiting costs no trip through the scheduler.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/coro/outcome.hpp>
#include <aloft/detail/coro/promise_base.hpp>

#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

template <class T>
class ALOFT_REGISTERS_TAG task;

namespace detail {

template <class T>
struct promise_result : promise_base {
    outcome<T> result;

    template <class Value>
    std::suspend_never yield_value(Value&&) noexcept {
        static_assert(sizeof(task<Value>) == 0,
                      "a task gives one value, with co_return; what yields is a generator or an "
                      "async_generator");
        return {};
    }

    /// The compiler calls this inside the coroutine, so that the default argument is its name.
    void unhandled_exception(const char* function = __builtin_FUNCTION()) noexcept {
        result.set_error(std::current_exception(), function);
    }
};

template <class T>
struct promise : promise_result<T> {
    task<T> get_return_object() noexcept;
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] ALOFT_ALWAYS_INLINE auto final_suspend() const noexcept {
        return final_awaiter<transfer_here>{};
    }

    template <returned_as<T> U = T>
    void return_value(U&& value) {
        this->result.set_value(std::forward<U>(value));
    }
};

template <>
struct promise<void> : promise_result<void> {
    task<void> get_return_object() noexcept;
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] ALOFT_ALWAYS_INLINE auto final_suspend() const noexcept {
        return final_awaiter<transfer_here>{};
    }
    void return_void() const noexcept {}
};

template <class T, transfer_mode Mode>
class task_awaiter;

struct task_access;

} // namespace detail

/// Purpose: an asynchronous function's return type. Lazy: nothing runs before it is awaited.
/// T may be a value, a reference, void, and move-only.
///
/// Thread safety: none of its own; one owner at a time. The coroutine inside may move from thread
/// to thread at every suspension.
/// Lifetime: owns the coroutine's frame, with its parameters. Reference parameters must outlive the
/// await. A task that is never awaited never runs; dropping it destroys its parameters.
/// Errors: what the coroutine throws is rethrown by co_await. Awaiting an empty task, or the same
/// task twice, ends the program with a sentence that says so.
/// Cancellation: a started task ends by itself; operations inside honour the runtime's stop.
/// Cost: one frame, recycled per thread; an await is two jumps and no atomic operation.
template <class T = void>
class[[ALOFT_CORO_RETURN_TYPE ALOFT_IN_REGISTERS nodiscard]] task {
    static_assert(std::is_reference_v<T> || std::is_same_v<T, void> ||
                      (std::is_object_v<T> && !std::is_array_v<T>),
                  "a task gives an object, a reference or nothing: no array, no function, and no "
                  "const void");

public:
    using value_type = T;
    using promise_type = detail::promise<T>;

    task() noexcept = default;
    task(task&& other) noexcept {
        void* frame = std::exchange(other.coroutine_, {}).address();
        ALOFT_KEEP_SCALAR(frame);
        coroutine_ = handle::from_address(frame);
    }
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            destroy();
            coroutine_ = std::exchange(other.coroutine_, {});
        }
        return *this;
    }
    ~task() { destroy(); }

    /// Whether there is a coroutine inside.
    [[nodiscard]] bool valid() const noexcept { return coroutine_ != nullptr; }
    explicit operator bool() const noexcept { return valid(); }

    /// Starts the coroutine on this thread and gives its result.
    [[nodiscard]] ALOFT_ALWAYS_INLINE auto operator co_await() && noexcept {
        return detail::task_awaiter<T, detail::transfer_here>(coroutine_);
    }
    /// A task with a name is awaited as `co_await std::move(name)`.
    template <class Result = T>
    auto operator co_await() & {
        static_assert(sizeof(task<Result>) == 0,
                      "a task is awaited once, and is empty then: co_await std::move(name)");
        return detail::task_awaiter<T, detail::transfer_here>(coroutine_);
    }

private:
    friend promise_type;
    friend detail::task_access;
    using handle = std::coroutine_handle<promise_type>;

    explicit task(handle coroutine) noexcept : coroutine_(coroutine) {}

    void destroy() noexcept {
        if (coroutine_ != nullptr) {
            coroutine_.destroy();
        }
    }

    handle coroutine_{};
};

namespace detail {

/// How the rest of the coroutine layer reaches a task's frame.
struct task_access {
    template <class T>
    [[nodiscard]] static promise<T>& promise_of(const task<T>& t) noexcept {
        require(t.valid(), "an empty task (moved from, or awaited before) was used");
        return t.coroutine_.promise();
    }

    /// The same without a check: the caller has started it.
    template <class T>
    [[nodiscard]] static promise<T>& started_promise_of(const task<T>& t) noexcept {
        return t.coroutine_.promise();
    }

    /// Takes the frame out: whoever gets it destroys it.
    template <class T>
    [[nodiscard]] static std::coroutine_handle<promise<T>> release(task<T>& t) noexcept {
        return std::exchange(t.coroutine_, {});
    }
};

/// Prepares a task that has not started yet; ends the program if it has.
inline void adopt(promise_base& child, void* owner, promise_base::done_hook hook,
                  const environment* env) noexcept {
    require(child.owner.load(memory_order_relaxed) == nullptr, "a task was awaited twice");
    child.owner.store(owner, memory_order_relaxed);
    child.on_done = hook;
    child.env = env;
}

template <class T, transfer_mode Mode>
class [[nodiscard]] task_awaiter {
public:
    explicit task_awaiter(std::coroutine_handle<promise<T>> child) noexcept : child_(child) {
        require(child != nullptr, "an empty task (moved from, or awaited before) was awaited");
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Parent>
    ALOFT_ALWAYS_INLINE suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        adopt(child_.promise(), parent.address(), nullptr, environment_of(parent));
        return transfer_from<Mode>(parent, child_);
    }

    T await_resume() { return child_.promise().result.take(); }

private:
    std::coroutine_handle<promise<T>> child_;
};

template <class T>
task<T> promise<T>::get_return_object() noexcept {
    const auto self = std::coroutine_handle<promise<T>>::from_promise(*this);
    this->coroutine = self;
    return task<T>(self);
}

inline task<void> promise<void>::get_return_object() noexcept {
    const auto self = std::coroutine_handle<promise<void>>::from_promise(*this);
    this->coroutine = self;
    return task<void>(self);
}

} // namespace detail
} // namespace aloft::inline ALOFT_ABI

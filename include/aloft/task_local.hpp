// SPDX-License-Identifier: MIT
// task_local<T>: a value that everything awaited inside can see, without being handed down.
// Layer: L1 coro
//
// The bindings of a task form a list that its environment points to (executor.hpp). with() puts a
// binding in front of it for the awaitable that it awaits; the binding lives in its awaiter.
//
// 1. A binding is written before the awaitable starts and not changed later, so that any number of
//    children on any threads may read it.
// 2. It outlives all that can see it: those inherit it that are joined before the awaitable ends.
//    What is spawned may run on behind that end, and inherits no binding.
#pragma once

#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/task.hpp>

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class Value, class T, transfer_mode Mode>
class [[nodiscard]] local_awaiter : local_binding {
public:
    local_awaiter(const void* of, Value&& bound, task<T>&& child)
        : value_(std::move(bound)), child_(std::move(child)) {
        variable = of;
        value = __builtin_addressof(value_);
    }
    local_awaiter(const local_awaiter&) = delete;
    local_awaiter& operator=(const local_awaiter&) = delete;
    ~local_awaiter() = default;

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        const environment* const env = environment_of(parent);
        environment_.inherit(env, stop_of(env));
        outer = environment_.locals;
        environment_.locals = this;
        promise<T>& p = task_access::promise_of(child_);
        adopt(p, parent.address(), nullptr, &environment_);
        return transfer_from<Mode>(parent, p.coroutine); // PUBLISHED
    }

    T await_resume() { return task_access::promise_of(child_).result.take(); }

private:
    Value value_;
    environment environment_;
    task<T> child_;
};

template <class Value, class T>
class [[nodiscard]] local_awaitable {
public:
    local_awaitable(const void* variable, Value&& value, task<T>&& child)
        : variable_(variable), value_(std::move(value)), child_(std::move(child)) {}

    [[nodiscard]] auto operator co_await() && {
        return local_awaiter<Value, T, transfer_here>(variable_, std::move(value_),
                                                      std::move(child_));
    }

private:
    const void* variable_;
    Value value_;
    task<T> child_;
};

/// What get() refers to may be the value of this binding.
template <class Value>
inline constexpr bool owns_its_result<local_awaitable<Value, const Value&>> = true;

template <class Value>
class [[nodiscard]] local_lookup {
public:
    local_lookup(const void* variable, const Value& default_value) noexcept
        : variable_(variable), value_(__builtin_addressof(default_value)) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        const environment* const env = environment_of(self);
        const local_binding* each = env == nullptr ? nullptr : env->locals;
        while (each != nullptr && each->variable != variable_) {
            each = each->outer;
        }
        if (each != nullptr) {
            value_ = static_cast<const Value*>(each->value);
        }
        return false;
    }

    [[nodiscard]] const Value& await_resume() const noexcept { return *value_; }

private:
    const void* variable_;
    const Value* value_;
};

} // namespace detail

/// Purpose: C#'s AsyncLocal. `inline task_local<std::string> request_id{"none"};` is a variable;
/// `co_await request_id.with("42", serve())` binds it for `serve` and for whatever that awaits or
/// forks in turn: tasks, when_all, when_any, task groups, parallel_for_each, with_timeout, run_on.
/// `co_await request_id.get()` gives the innermost bound value, or else the default.
///
/// What is started by spawn, when_each, shared_task or to_future may outlive the binding and does not
/// inherit it: read the value before, and bind it again there.
///
/// Thread safety: get() and with() on any thread at once; a value is seen by all children at once, so
/// bind what may be read by several threads. Values are not assigned, they are bound anew.
/// Lifetime: the variable must outlive its uses; what get() refers to lives until the with() that
/// bound it has ended, or as long as the variable.
/// Errors: those of the awaitable, and of moving a T; std::bad_alloc if the awaitable is no task and
/// there is no memory for one.
/// Cancellation: none of its own.
/// Cost: no allocation for a task. get() never suspends, and looks through the bindings around it,
/// the innermost first.
template <class T>
class task_local {
    static_assert(std::is_object_v<T> && !std::is_const_v<T>, "a task_local holds a plain value");

public:
    using value_type = T;

    constexpr task_local() noexcept(std::is_nothrow_default_constructible_v<T>)
        requires std::default_initializable<T>
    = default;

    template <class... Arguments>
        requires(sizeof...(Arguments) > 0 && std::is_constructible_v<T, Arguments...>)
    constexpr explicit task_local(Arguments&&... default_value)
        : default_(std::forward<Arguments>(default_value)...) {}

    task_local(const task_local&) = delete;
    task_local& operator=(const task_local&) = delete;
    ~task_local() = default;

    /// Awaits the awaitable with this variable bound to a T made of `value`.
    template <class Value = T, detail::awaitable Awaitable>
        requires std::is_constructible_v<T, Value>
    [[nodiscard]] auto with(Value&& value, Awaitable&& awaitable) const {
        using child = decltype(detail::as_task(std::forward<Awaitable>(awaitable)));
        return detail::local_awaitable<T, typename child::value_type>(
            this, T(std::forward<Value>(value)),
            detail::as_task(std::forward<Awaitable>(awaitable)));
    }

    /// `const T& value = co_await variable.get();`
    [[nodiscard]] auto get() const noexcept { return detail::local_lookup<T>(this, default_); }

private:
    T default_{};
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// shared_task: a task that runs once and that any number of others may await.
// Layer: L1 coro
//
// The first await starts the work as a task of its own on the awaiting task's runtime, which joins it.
// That task holds a reference to the result, so it ends well when everybody else has lost interest.
// How the result is shared: detail/coro/shared_result.hpp. `claim` is taken by who starts the work.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/shared_result.hpp>
#include <aloft/spawn.hpp>
#include <aloft/task.hpp>

#include <atomic>
#include <exception>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class T>
class shared_work_state final : public shared_result<T> {
public:
    explicit shared_work_state(task<T>&& work) noexcept : work_(std::move(work)) {}

    /// Throws if there is no memory, or no runtime; the next await tries again.
    void begin(const environment* env) {
        if (begun_.load(std::memory_order_relaxed) ||
            begun_.exchange(true, std::memory_order_relaxed)) {
            return;
        }
        try {
            executor& exec = need_executor(env, "shared_task");
            this->add_reference();
            shared_pointer<shared_work_state> self(this);
            task<void> root = run(std::move(self));
            spawn_access::start(exec.owner->root_environment(), std::move(root)).detach();
        } catch (...) {
            begun_.store(false, std::memory_order_relaxed);
            throw;
        }
    }

private:
    static task<void> run(shared_pointer<shared_work_state> self) {
        try {
            if constexpr (std::is_void_v<T>) {
                co_await std::move(self->work_);
                self->set_value();
            } else if constexpr (std::is_reference_v<T>) {
                T result = co_await std::move(self->work_);
                self->set_value(result);
            } else {
                self->set_value(co_await std::move(self->work_));
            }
        } catch (...) {
            self->set_exception(std::current_exception());
        }
        self->work_ = {}; // its parameters go before the value does
    }

    task<T> work_;
    atomic<bool> begun_{false};
};

} // namespace detail

/// Purpose: a coroutine's return type, like task<T>, for a result that several tasks need:
/// `shared_task<config> load();`. It is copied freely; the work runs once. Any task<T> converts to it.
///
/// Thread safety: copies may be used and awaited on any threads at once.
/// Lifetime: the result lives as long as one copy, or one awaiter, does. References in the coroutine's
/// parameters must be good until the work has ended.
/// Errors: co_await gives a reference to the value, or throws the exception, each time. Where a
/// temporary shared_task is handed to sync_wait, when_all, spawn and the like, they give a copy of the
/// value instead; of a value that cannot be copied they give a reference, and another copy of the
/// shared_task must keep it alive.
/// Cancellation: an await that is stopped ends with std::errc::operation_canceled, and the work goes on
/// for the others. The work itself is stopped by the runtime's end only.
/// Cost: one allocation, and one recycled frame when it starts, beyond the coroutine's own; a further
/// await is a short lock.
template <class T = void>
class[[ALOFT_CORO_RETURN_TYPE nodiscard]] shared_task {
    using state = detail::shared_work_state<T>;

public:
    using value_type = T;
    using promise_type = detail::promise<T>;

    shared_task() noexcept = default;
    // Implicit: it is what the coroutine's promise makes.
    shared_task(task<T>&& work) : state_(new state(std::move(work))) {}

    /// Whether there is a task inside.
    [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(state_); }
    explicit operator bool() const noexcept { return valid(); }

    /// Whether the work has ended.
    [[nodiscard]] bool done() const noexcept { return valid() && state_->done(); }

    /// Starts the work if nobody has, and waits for its end.
    [[nodiscard]] auto operator co_await() const noexcept {
        detail::require(valid(), "an empty shared_task was awaited");
        return detail::shared_result_awaiter<T, state>(state_, "shared_task");
    }

private:
    detail::shared_pointer<state> state_;
};

template <class T>
shared_task(task<T>&&) -> shared_task<T>;

namespace detail {

template <class T>
inline constexpr bool owns_its_result<shared_task<T>> =
    std::is_object_v<T> && std::is_copy_constructible_v<T>;

} // namespace detail

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// once_async: a value that is computed when somebody needs it first, by an asynchronous function.
// Layer: L1 coro
//
// The states, and why nobody is left waiting: detail/coro/once_state.hpp.
#pragma once

#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/once_state.hpp>
#include <aloft/detail/coro/transfer.hpp>
#include <aloft/task.hpp>

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: `once_async<config> c([] { return load_config(); });` computes the value in the first
/// `co_await c.get()` and shares it with all others (C#'s Lazy<Task<T>>).
///
/// Thread safety: get() is awaited in any number of tasks; try_get() may be called on any thread. What
/// they give is shared: it is not to be changed without more ado.
/// Lifetime: must outlive its get()s and the references that they give. It does not move.
/// Errors: what the function throws comes out of the get() that called it, and the one that waits
/// longest calls it again. A function that needs the same value waits for itself.
/// Cancellation: a get() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled; if it was computing, the one that waits longest computes anew.
/// Cost: one allocation when it is made; a load when there is a value. Computing: see once.
template <class T>
class once_async {
    static_assert(std::is_object_v<T>,
                  "a once_async holds a value; for a reference, hold a pointer");

public:
    using value_type = T;

    /// `function` gives a T, or an awaitable that gives one. It is called on some worker, one call at
    /// a time, and not again after one has succeeded.
    template <class Function>
        requires(std::invocable<std::decay_t<Function>&> &&
                 !std::same_as<std::decay_t<Function>, once_async>)
    explicit once_async(Function&& function)
        : source_(new source_of<std::decay_t<Function>>(std::forward<Function>(function))) {}
    once_async(const once_async&) = delete;
    once_async& operator=(const once_async&) = delete;
    ~once_async() { delete source_; }

private:
    struct source {
        source() noexcept = default;
        source(const source&) = delete;
        source& operator=(const source&) = delete;
        virtual ~source() = default;
        virtual task<void> compute(std::optional<T>& value) = 0;
    };

    template <class Function>
    struct source_of final : source {
        template <class F>
        explicit source_of(F&& f) : function(std::forward<F>(f)) {}
        task<void> compute(std::optional<T>& value) override {
            if constexpr (detail::awaitable<std::invoke_result_t<Function&>>) {
                value.emplace(co_await function());
            } else {
                value.emplace(function());
            }
            co_return;
        }
        Function function;
    };

    struct computation {
        explicit computation(once_async& o) noexcept : owner(&o) {}
        ALOFT_CORO_WRAPPER task<void> operator()() {
            return owner->source_->compute(owner->value_);
        }
        once_async* owner;
    };

public:
    class [[nodiscard]] get_awaitable {
    public:
        explicit get_awaitable(once_async& o) noexcept : compute_(o) {}

        [[nodiscard]] auto operator co_await() noexcept { return awaiter(compute_); }

    private:
        class awaiter : public detail::once_awaiter<computation, detail::transfer_here> {
        public:
            explicit awaiter(computation& c) noexcept
                : awaiter::once_awaiter(c.owner->state_, c, "once_async"), owner_(c.owner) {}
            [[nodiscard]] const T& await_resume() {
                awaiter::once_awaiter::await_resume();
                return *owner_->value_;
            }

        private:
            once_async* owner_;
        };

        computation compute_;
    };

    /// Gives `const T&`, computed now if there is no value yet.
    [[nodiscard]] get_awaitable get() noexcept { return get_awaitable(*this); }

    /// The value, or nullptr as long as there is none.
    [[nodiscard]] const T* try_get() const noexcept { return state_.done() ? &*value_ : nullptr; }

private:
    source* source_;
    std::optional<T> value_;
    detail::once_state state_; // its destructor runs first
};

} // namespace aloft::inline ALOFT_ABI

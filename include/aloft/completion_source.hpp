// SPDX-License-Identifier: MIT
// completion_source: a result that somebody else sets, such as a callback of another library.
// Layer: L1 coro
//
// Who may set it, and why no waiter is left behind: detail/coro/shared_result.hpp.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/coro/shared_result.hpp>

#include <concepts>
#include <exception>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: the bridge from callbacks to tasks:
///     completion_source<int> source;
///     start_something([source](int answer) { source.set_value(answer); });
///     int answer = co_await source.get();
/// Copies refer to the same result. It is set once; any number of tasks may wait for it.
///
/// Thread safety: every member may be called on any thread at any time.
/// Lifetime: the result lives as long as one copy, or one awaiter, does. So a callback that keeps a copy
/// may come late, when nobody waits any more.
/// Errors: setting it a second time ends the program with a sentence that says so; the try_ forms
/// return false instead. If a value's constructor throws, that exception is the result.
/// Cancellation: a wait that is stopped ends with std::errc::operation_canceled; the result is not
/// touched by that. A source that nobody ever sets keeps its waiters until they are stopped.
/// Cost: one allocation, at its construction; a wait allocates nothing.
template <class T = void>
class completion_source {
    using state = detail::shared_result<T>;

public:
    completion_source() : state_(new state) {}

    /// Whether it has been set.
    [[nodiscard]] bool done() const noexcept { return state_->done(); }

    /// Waits until it is set; gives a reference to the value, or throws the exception.
    [[nodiscard]] auto get() const noexcept {
        return detail::shared_result_awaiter<T, state>(state_, "completion_source");
    }

    /// Sets the value, which is made of the arguments, unless it was set before.
    template <class... Arguments>
        requires(std::is_void_v<T> ? sizeof...(Arguments) == 0
                                   : std::constructible_from<T, Arguments...>)
    bool try_set_value(Arguments&&... arguments) const noexcept {
        if (!state_->claim()) {
            return false;
        }
        state_->set_value(std::forward<Arguments>(arguments)...);
        return true;
    }

    /// Sets an exception instead.
    bool try_set_exception(std::exception_ptr error) const noexcept {
        if (!state_->claim()) {
            return false;
        }
        state_->set_exception(std::move(error));
        return true;
    }

    /// The same when nobody else may have set it.
    template <class... Arguments>
        requires(std::is_void_v<T> ? sizeof...(Arguments) == 0
                                   : std::constructible_from<T, Arguments...>)
    void set_value(Arguments&&... arguments) const noexcept {
        detail::require(try_set_value(std::forward<Arguments>(arguments)...),
                        "a completion_source was set twice");
    }
    void set_exception(std::exception_ptr error) const noexcept {
        detail::require(try_set_exception(std::move(error)), "a completion_source was set twice");
    }

private:
    detail::shared_pointer<state> state_;
};

} // namespace aloft::inline ALOFT_ABI

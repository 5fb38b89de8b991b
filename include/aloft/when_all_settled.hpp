// SPDX-License-Identifier: MIT
// when_all_settled: awaits several things at once and keeps what each of them ended with.
// Layer: L1 coro
//
// Each child's exception is caught in a task around it, so that no sibling is stopped by it; the rest
// is when_all.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/task_range.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <exception>
#include <iterator>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace aloft::inline ALOFT_ABI {

/// Purpose: a value, or the exception instead of it. For references and void, value() gives them.
///
/// Thread safety: that of a value. Lifetime: owns either.
/// Errors: value() throws the exception if there is one. Cancellation, cost: none beyond T's.
template <class T>
class [[nodiscard]] settled {
    using stored = std::conditional_t<
        std::is_void_v<T>, std::monostate,
        std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<std::remove_reference_t<T>>,
                           std::remove_cv_t<T>>>;

public:
    using value_type = T;

    template <class... Arguments>
    explicit settled(std::in_place_t, Arguments&&... arguments)
        : content_(std::in_place_index<0>, std::forward<Arguments>(arguments)...) {}
    explicit settled(std::exception_ptr error) noexcept
        : content_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] bool has_value() const noexcept { return content_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The exception; null if there is a value.
    [[nodiscard]] std::exception_ptr error() const noexcept {
        const std::exception_ptr* const error = std::get_if<1>(&content_);
        return error == nullptr ? nullptr : *error;
    }

    decltype(auto) value() & { return get(*this); }
    decltype(auto) value() const& { return get(*this); }
    decltype(auto) value() && {
        if constexpr (std::is_void_v<T> || std::is_reference_v<T>) {
            return get(*this);
        } else {
            return std::move(get(*this));
        }
    }

private:
    template <class Self>
    static decltype(auto) get(Self& self) {
        if (const std::exception_ptr* const error = std::get_if<1>(&self.content_)) {
            std::rethrow_exception(*error);
        }
        if constexpr (std::is_void_v<T>) {
            return;
        } else if constexpr (std::is_reference_v<T>) {
            return static_cast<T>(**std::get_if<0>(&self.content_));
        } else {
            return (*std::get_if<0>(&self.content_));
        }
    }

    std::variant<stored, std::exception_ptr> content_;
};

namespace detail {

template <class T>
task<settled<T>> settle(task<T> work) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(work);
            co_return std::in_place; // made in place: g++ 12 warns about moving an empty one
        } else if constexpr (std::is_reference_v<T>) {
            T result = co_await std::move(work);
            co_return settled<T>(std::in_place, &result);
        } else {
            co_return settled<T>(std::in_place, co_await std::move(work));
        }
    } catch (...) {
        co_return settled<T>(std::current_exception());
    }
}

} // namespace detail

/// Purpose: `auto [a, b] = co_await when_all_settled(f(), g());` awaits all of its arguments in
/// parallel and gives a tuple of settled<T>: what each ended with, a value or an exception.
///
/// Thread safety, lifetime: those of when_all.
/// Errors: none of the arguments'; std::bad_alloc if there is no memory for the frames.
/// Cancellation: stopping the parent stops the children, whose cancellations are results, too. One
/// that fails does not stop the others.
/// Cost: a recycled frame per argument beyond its own.
template <detail::awaitable... Awaitables>
[[nodiscard]] auto when_all_settled(Awaitables&&... awaitables) {
    return when_all(detail::settle(detail::as_task(std::forward<Awaitables>(awaitables)))...);
}

/// The same for a range, which is consumed: gives a vector in the order of the range.
template <detail::awaitable_range Range>
[[nodiscard]] auto when_all_settled(Range&& range) {
    using value = typename detail::range_task_t<Range>::value_type;
    std::vector<task<settled<value>>> children;
    for (task<value>& each : detail::tasks_of(std::forward<Range>(range))) {
        children.push_back(detail::settle(std::move(each)));
    }
    return when_all(std::move(children));
}

template <class... A>
    requires(detail::cannot_be_awaited<A...>)
[[nodiscard]] auto when_all_settled(A&&...) {
    return detail::refuse_to_await<A...>();
}

} // namespace aloft::inline ALOFT_ABI

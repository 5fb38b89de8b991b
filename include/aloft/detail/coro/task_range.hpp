// SPDX-License-Identifier: MIT
// Ranges of awaitables, and the tasks that are made of one.
// Layer: L1 coro
#pragma once

#include <aloft/detail/coro/awaitable.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

/// What begin() and end() give the elements of.
template <class R>
concept range = requires(R& r) {
    std::begin(r);
    std::end(r);
};
template <class R>
using range_reference_t = decltype(*std::begin(std::declval<R&>()));
template <class R>
using range_value_t = std::remove_cvref_t<range_reference_t<R>>;

/// A range of what can be awaited, which cannot be awaited itself.
template <class R>
concept awaitable_range = range<R> && !awaitable<R> && awaitable<range_value_t<R>>;

/// Whether the elements stay where they are, and are referred to: those of an lvalue, tasks apart.
template <class R>
inline constexpr bool keeps_elements =
    std::is_lvalue_reference_v<R> && std::is_lvalue_reference_v<range_reference_t<R>> &&
    !is_task<range_value_t<R>>;

template <class R>
using range_task_t = decltype(detail::as_task(
    std::declval<std::conditional_t<keeps_elements<R>, range_reference_t<R>, range_value_t<R>>>()));

/// A task for each element. What does not stay moves out of the range.
template <range Range>
[[nodiscard]] std::vector<range_task_t<Range>> tasks_of(Range&& range) {
    std::vector<range_task_t<Range>> tasks;
    if constexpr (requires { std::size(range); }) {
        tasks.reserve(static_cast<std::size_t>(std::size(range)));
    }
    for (auto&& each : range) {
        if constexpr (keeps_elements<Range>) {
            tasks.push_back(detail::as_task(each));
        } else {
            tasks.push_back(detail::as_task(std::move(each)));
        }
    }
    return tasks;
}

/// Neither a list of awaitables nor a range of them.
template <class... A>
inline constexpr bool cannot_be_awaited = !(awaitable<A> && ...);
template <range Range>
    requires awaitable<range_value_t<Range>>
inline constexpr bool cannot_be_awaited<Range> = false;

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// What can be awaited, what it gives, and how anything awaitable becomes a task.
// Layer: L1 coro
#pragma once

#include <aloft/task.hpp>

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

template <class A>
concept has_member_co_await = requires(A&& a) { static_cast<A&&>(a).operator co_await(); };
template <class A>
concept has_free_co_await = requires(A&& a) { operator co_await(static_cast<A&&>(a)); };

/// The awaiter of an awaitable, as co_await would get it outside of await_transform.
template <class A>
[[nodiscard]] ALOFT_ALWAYS_INLINE decltype(auto) get_awaiter(A&& a) {
    if constexpr (has_member_co_await<A>) {
        return static_cast<A&&>(a).operator co_await();
    } else if constexpr (has_free_co_await<A>) {
        return operator co_await(static_cast<A&&>(a));
    } else {
        return static_cast<A&&>(a);
    }
}

template <class A>
concept awaiter = requires(A& a) {
    { a.await_ready() } -> std::convertible_to<bool>;
    a.await_resume();
};

template <class A>
concept awaitable = requires(A&& a) {
    { detail::get_awaiter(static_cast<A&&>(a)) } -> awaiter;
} && (has_member_co_await<A> || has_free_co_await<A> || awaiter<std::remove_reference_t<A>>);

template <class A>
using await_result_t =
    decltype(std::declval<
                 std::add_lvalue_reference_t<decltype(detail::get_awaiter(std::declval<A>()))>>()
                 .await_resume());

/// Whether A, without const or reference, gives a reference to an object that goes when A does. Where
/// it is a temporary, a copy of that object comes out of a task that awaits it.
template <class A>
inline constexpr bool owns_its_result = false;

/// What a task that awaits A ends with: values are moved out of temporaries, or copied where others
/// may need them.
template <class A>
using task_result_t =
    std::conditional_t<std::is_rvalue_reference_v<await_result_t<A>> ||
                           (!std::is_lvalue_reference_v<A> &&
                            owns_its_result<std::remove_cvref_t<A>>),
                       std::remove_reference_t<await_result_t<A>>, await_result_t<A>>;

template <class A>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

/// A is T for a temporary, which moves into the frame, and T& for an lvalue, which is referred to.
template <class A>
task<task_result_t<A>> await_in_task(A a) {
    co_return co_await static_cast<A&&>(a);
}

/// The awaitable itself if it is a task, a task that awaits it otherwise.
template <class A>
[[ALOFT_CORO_MOVES nodiscard]] auto as_task(A&& a) {
    if constexpr (is_task<std::remove_cvref_t<A>>) {
        static_assert(!std::is_lvalue_reference_v<A>,
                      "a task is awaited once: hand it over with std::move");
        return std::remove_cvref_t<A>(static_cast<A&&>(a));
    } else {
        return await_in_task<A>(static_cast<A&&>(a));
    }
}

/// Ends an overload that takes what the others refuse: one sentence instead of a list of candidates.
/// A task whose body awaits it itself gets the compiler's own sentence: an await_transform that could
/// look first would make g++ 12 copy awaiters that cannot be copied, and would refuse types whose
/// operator co_await stands outside of their namespace.
template <class... A>
ALOFT_CORO_WRAPPER [[nodiscard]] task<void> refuse_to_await() {
    static_assert(sizeof...(A) == 0,
                  "this cannot be awaited: it is no task and nothing else that has an operator "
                  "co_await, or it has a name and wants to be handed over with std::move");
    return {};
}

} // namespace aloft::inline ALOFT_ABI::detail

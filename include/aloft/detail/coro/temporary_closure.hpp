// SPDX-License-Identifier: MIT
// Refuses, at compile time, what g++ 12 would destroy twice: a temporary lambda with captures that
// need destruction, or a temporary aggregate of such members, inside a co_await expression.
// Layer: L1 coro
//
// The compiler copies such a temporary into the frame byte by byte and destroys both copies,
// whatever the function does that it is passed to. So on that compiler the awaitable made from one
// can be awaited by name only, where the lambda is gone before the co_await begins:
//     auto call = offload([file] { return parse(file); });
//     co_await call;
// Lambdas that capture references and plain values are not affected.
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/coro/awaitable.hpp>

#include <coroutine>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
template <class F>
[[nodiscard]] constexpr bool is_lambda() noexcept {
    constexpr const char* mark = "<lambda";
    for (const char* at = __PRETTY_FUNCTION__; *at != '\0'; ++at) {
        std::size_t same = 0;
        while (mark[same] != '\0' && at[same] == mark[same]) {
            ++same;
        }
        if (mark[same] == '\0') {
            return true;
        }
    }
    return false;
}

/// Whether F, as deduced for an argument `F&&`, is such a temporary.
template <class F>
inline constexpr bool is_endangered_temporary =
    std::is_class_v<F> && !std::is_trivially_destructible_v<F> &&
    (std::is_aggregate_v<F> || is_lambda<F>());
#else
template <class F>
inline constexpr bool is_endangered_temporary = false;
#endif

/// What co_await gets of an awaiter that has a name. (g++ 12 copies an awaiter that operator co_await
/// returns by reference.)
template <class Awaiter>
class awaiter_reference {
public:
    explicit awaiter_reference(Awaiter& to) noexcept : to_(&to) {}
    [[nodiscard]] bool await_ready() { return to_->await_ready(); }
    template <class Promise>
    [[nodiscard]] auto await_suspend(std::coroutine_handle<Promise> parent) {
        return to_->await_suspend(parent);
    }
    decltype(auto) await_resume() { return to_->await_resume(); }

private:
    Awaiter* to_;
};

/// An awaitable that is awaited as an lvalue.
template <class Awaitable>
class [[nodiscard]] await_by_name : public Awaitable {
public:
    explicit await_by_name(Awaitable&& a) : Awaitable(std::move(a)) {}
    template <class From>
    explicit await_by_name(std::in_place_t, From&& from) : Awaitable(std::forward<From>(from)) {}

    [[nodiscard]] auto operator co_await() & {
        if constexpr (has_member_co_await<Awaitable&>) {
            return static_cast<Awaitable&>(*this).operator co_await();
        } else if constexpr (has_member_co_await<Awaitable>) {
            return static_cast<Awaitable&&>(*this).operator co_await(); // a task
        } else {
            return awaiter_reference<Awaitable>(*this);
        }
    }

    template <class A = Awaitable>
    auto operator co_await() && {
        static_assert(sizeof(A) == 0,
                      "g++ 12 destroys the captures of a temporary lambda twice in a co_await "
                      "expression, and the elements of a temporary array. Write: "
                      "auto h = spawn([...]{...}); co_await h;");
        return std::move(*this);
    }
};

template <bool Endangered, class Awaitable>
[[ALOFT_CORO_MOVES nodiscard]] ALOFT_ALWAYS_INLINE auto guard_temporary(Awaitable&& made) {
    if constexpr (Endangered) {
        return await_by_name<std::remove_cvref_t<Awaitable>>(std::forward<Awaitable>(made));
    } else {
        return std::remove_cvref_t<Awaitable>(std::forward<Awaitable>(made));
    }
}

/// The same for what is made of `from`, without a move.
template <bool Endangered, class Awaitable, class From>
[[ALOFT_CORO_MOVES nodiscard]] ALOFT_ALWAYS_INLINE auto guarded_of(From&& from) {
    if constexpr (Endangered) {
        return await_by_name<Awaitable>(std::in_place, std::forward<From>(from));
    } else {
        return Awaitable(std::forward<From>(from));
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

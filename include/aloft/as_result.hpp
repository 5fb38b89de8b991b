// SPDX-License-Identifier: MIT
// as_result: an error of the operating system as a value instead of an exception.
// Layer: L1 coro
#pragma once

#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/result.hpp>

#include <coroutine>
#include <system_error>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class Awaiter, bool Copied>
class [[nodiscard]] as_result_awaiter {
    using value = decltype(std::declval<Awaiter&>().await_resume());
    using kept = std::conditional_t<std::is_rvalue_reference_v<value> || Copied,
                                    std::remove_reference_t<value>, value>;

public:
    template <class Awaitable>
    explicit as_result_awaiter(std::in_place_t, Awaitable&& awaitable)
        : inner_(get_awaiter(static_cast<Awaitable&&>(awaitable))) {}

    [[nodiscard]] bool await_ready() { return inner_.await_ready(); }

    template <class Promise>
    ALOFT_ALWAYS_INLINE auto await_suspend(std::coroutine_handle<Promise> self) {
        return inner_.await_suspend(self);
    }

    result<kept> await_resume() {
        if constexpr (requires { inner_.await_resume_as_result(); }) {
            return inner_.await_resume_as_result();
        } else {
            try {
                if constexpr (std::is_void_v<value>) {
                    inner_.await_resume();
                    return {};
                } else {
                    return inner_.await_resume();
                }
            } catch (const std::system_error& error) {
                return failure(error.code());
            }
        }
    }

private:
    Awaiter inner_;
};

template <class Awaitable>
class [[nodiscard]] as_result_awaitable {
public:
    explicit as_result_awaitable(Awaitable&& awaitable)
        : awaitable_(static_cast<Awaitable&&>(awaitable)) {}

    [[nodiscard]] auto operator co_await() && {
        constexpr bool copied = !std::is_lvalue_reference_v<Awaitable> &&
                                owns_its_result<std::remove_cvref_t<Awaitable>>;
        return as_result_awaiter<decltype(get_awaiter(static_cast<Awaitable&&>(awaitable_))),
                                 copied>(std::in_place, static_cast<Awaitable&&>(awaitable_));
    }

private:
    Awaitable awaitable_;
};

} // namespace detail

/// Purpose: `auto n = co_await as_result(stream.read_some(buffer)); if (!n) use(n.error());`
/// Turns std::system_error into result<T>::error(); other exceptions pass.
///
/// Thread safety, cancellation: those of the awaitable. Lifetime: a temporary moves in, an lvalue
/// is referred to. Errors: in the result. Cost: none for I/O operations, which throw nothing then;
/// a caught exception for tasks.
template <detail::awaitable Awaitable>
[[nodiscard]] auto as_result(Awaitable&& awaitable) {
    return detail::as_result_awaitable<Awaitable>(std::forward<Awaitable>(awaitable));
}

template <class A>
    requires(!detail::awaitable<A>)
[[nodiscard]] auto as_result(A&&) {
    return detail::refuse_to_await<A>();
}

} // namespace aloft::inline ALOFT_ABI

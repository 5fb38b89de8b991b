// SPDX-License-Identifier: MIT
// What std::invoke does with one argument, and std::reference_wrapper, without the rest of
// <functional>, which takes long to compile.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

#include <type_traits>
#include <utility>

#if __has_include(<bits/refwrap.h>)
#include <bits/refwrap.h>
#else
#include <functional>
#endif

namespace aloft::inline ALOFT_ABI::detail {

template <class F>
decltype(auto) lean_invoke(F&& f) {
    return std::forward<F>(f)();
}

/// f may be a member, of `argument` or of what that points to.
template <class F, class Argument>
decltype(auto) lean_invoke(F&& f, Argument&& argument) {
    if constexpr (!std::is_member_pointer_v<std::remove_cvref_t<F>>) {
        return std::forward<F>(f)(std::forward<Argument>(argument));
    } else if constexpr (!requires { std::forward<Argument>(argument).*f; }) {
        return lean_invoke(f, *std::forward<Argument>(argument));
    } else if constexpr (std::is_member_function_pointer_v<std::remove_cvref_t<F>>) {
        return (std::forward<Argument>(argument).*f)();
    } else {
        return (std::forward<Argument>(argument).*f);
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

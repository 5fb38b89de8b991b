// SPDX-License-Identifier: MIT
// result<T>: a value or a std::error_code, with the interface of std::expected.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/base/lean_invoke.hpp>

#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

namespace aloft::inline ALOFT_ABI {

/// Marks a result that holds an error: `return failure(code);`
class failure {
public:
    explicit failure(std::error_code code) noexcept : code_(code) {}
    explicit failure(std::errc code) noexcept : code_(std::make_error_code(code)) {}
    [[nodiscard]] const std::error_code& error() const noexcept { return code_; }

private:
    std::error_code code_;
};

template <class T>
class result;

namespace detail {
template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<result<T>> = true;

/// An error_code, or none. To make an empty error_code is a call, for the category of the system.
class error_slot {
public:
    error_slot() noexcept = default;
    explicit error_slot(const std::error_code& code) noexcept
        : value_(code.value()), category_(&code.category()) {}

    /// An empty one if there is none.
    [[nodiscard]] std::error_code code() const noexcept {
        return category_ == nullptr ? std::error_code() : std::error_code(value_, *category_);
    }

private:
    int value_ = 0;
    const std::error_category* category_ = nullptr;
};
} // namespace detail

/// Purpose: what an operation gave, without an exception for what the operating system refuses.
/// Thread safety: that of T. Lifetime: owns its value; for a reference type it refers to it.
/// Errors: value() throws std::system_error if there is none; operator* and error() require, and
/// do not check, that there is a value or an error. Cost: a value, an error_code and a flag.
template <class T>
class [[nodiscard]] result {
    using plain =
        const std::conditional_t<std::is_void_v<T>, std::monostate, std::remove_reference_t<T>>&;
    using stored = std::conditional_t<
        std::is_void_v<T>, std::monostate,
        std::conditional_t<std::is_reference_v<T>,
                           std::reference_wrapper<std::remove_reference_t<T>>, T>>;

public:
    using value_type = T;
    using error_type = std::error_code;

    result()
        requires std::is_void_v<T> || std::is_default_constructible_v<stored>
        : value_(std::in_place) {}
    result(const failure& f) noexcept : error_(f.error()) {}

    /// Another result's error must not turn into a value here, so no result converts.
    template <class U = stored>
        requires(!std::is_void_v<T> && !detail::is_result<std::remove_cvref_t<U>> &&
                 !std::is_same_v<std::remove_cvref_t<U>, failure> &&
                 !std::is_same_v<std::remove_cvref_t<U>, std::in_place_t> &&
                 std::is_constructible_v<stored, U>)
    explicit(!std::is_convertible_v<U, stored>) result(U&& value)
        : value_(std::in_place, std::forward<U>(value)) {}

    template <class... Args>
        requires(!std::is_void_v<T> && std::is_constructible_v<stored, Args...>)
    explicit result(std::in_place_t, Args&&... args)
        : value_(std::in_place, std::forward<Args>(args)...) {}

    /// Replaces what is held by a value made in place.
    template <class... Args>
        requires(!std::is_void_v<T> && std::is_constructible_v<stored, Args...>)
    auto& emplace(Args&&... args) {
        error_ = {};
        return static_cast<std::remove_reference_t<T>&>(
            value_.emplace(std::forward<Args>(args)...));
    }

    [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }

    [[nodiscard]] std::error_code error() const noexcept { return error_.code(); }

    /// The error, or `otherwise` if there is a value.
    [[nodiscard]] std::error_code error_or(std::error_code otherwise) const noexcept {
        return has_value() ? otherwise : error();
    }

    [[nodiscard]] decltype(auto) operator*() & noexcept { return get(*this); }
    [[nodiscard]] decltype(auto) operator*() const& noexcept { return get(*this); }
    [[nodiscard]] decltype(auto) operator*() && noexcept { return get(std::move(*this)); }

    [[nodiscard]] auto* operator->() noexcept
        requires(!std::is_void_v<T>)
    {
        return &static_cast<std::remove_reference_t<T>&>(*value_);
    }
    [[nodiscard]] const auto* operator->() const noexcept
        requires(!std::is_void_v<T>)
    {
        return &static_cast<const std::remove_reference_t<T>&>(*value_);
    }

    decltype(auto) value() & { return checked(*this); }
    decltype(auto) value() const& { return checked(*this); }
    decltype(auto) value() && { return checked(std::move(*this)); }

    template <class U>
        requires(!std::is_void_v<T>)
    [[nodiscard]] std::remove_cvref_t<T> value_or(U&& otherwise) const& {
        return has_value() ? static_cast<std::remove_cvref_t<T>>(*value_)
                           : static_cast<std::remove_cvref_t<T>>(std::forward<U>(otherwise));
    }
    template <class U>
        requires(!std::is_void_v<T>)
    [[nodiscard]] std::remove_cvref_t<T> value_or(U&& otherwise) && {
        return has_value() ? static_cast<std::remove_cvref_t<T>>(std::move(*value_))
                           : static_cast<std::remove_cvref_t<T>>(std::forward<U>(otherwise));
    }

    /// f(value), which returns a result; or this error.
    template <class F>
    auto and_then(F&& f) & {
        return and_then_of(*this, std::forward<F>(f));
    }
    template <class F>
    auto and_then(F&& f) const& {
        return and_then_of(*this, std::forward<F>(f));
    }
    template <class F>
    auto and_then(F&& f) && {
        return and_then_of(std::move(*this), std::forward<F>(f));
    }

    /// A result of f(value); or this error.
    template <class F>
    auto transform(F&& f) & {
        return transform_of(*this, std::forward<F>(f));
    }
    template <class F>
    auto transform(F&& f) const& {
        return transform_of(*this, std::forward<F>(f));
    }
    template <class F>
    auto transform(F&& f) && {
        return transform_of(std::move(*this), std::forward<F>(f));
    }

    /// This value; or f(error), which returns a result of the same type.
    template <class F>
    result or_else(F&& f) const& {
        return has_value() ? *this : result(detail::lean_invoke(std::forward<F>(f), error()));
    }
    template <class F>
    result or_else(F&& f) && {
        return has_value() ? std::move(*this)
                           : result(detail::lean_invoke(std::forward<F>(f), error()));
    }

    /// This value; or the error that f makes of this one.
    template <class F>
    result transform_error(F&& f) const& {
        return has_value() ? *this
                           : result(failure(detail::lean_invoke(std::forward<F>(f), error())));
    }
    template <class F>
    result transform_error(F&& f) && {
        return has_value() ? std::move(*this)
                           : result(failure(detail::lean_invoke(std::forward<F>(f), error())));
    }

    friend void swap(result& a, result& b) {
        using std::swap;
        swap(a.value_, b.value_);
        swap(a.error_, b.error_);
    }

    friend bool operator==(const result& a, const result& b)
        requires(std::is_void_v<T> || requires(plain t) { t == t; })
    {
        if (!a.has_value() || !b.has_value()) {
            return a.has_value() == b.has_value() && a.error() == b.error();
        }
        if constexpr (std::is_void_v<T>) {
            return true;
        } else {
            return static_cast<plain>(*a.value_) == static_cast<plain>(*b.value_);
        }
    }
    friend bool operator==(const result& a, const failure& b) noexcept {
        return !a.has_value() && a.error() == b.error();
    }

private:
    template <class Self, class F>
    static auto and_then_of(Self&& self, F&& f) {
        using next =
            std::remove_cvref_t<decltype(call(std::forward<F>(f), std::forward<Self>(self)))>;
        return self.has_value() ? call(std::forward<F>(f), std::forward<Self>(self))
                                : next(failure(self.error()));
    }

    template <class Self, class F>
    static auto transform_of(Self&& self, F&& f) {
        using made = decltype(call(std::forward<F>(f), std::forward<Self>(self)));
        if (!self.has_value()) {
            return result<std::remove_cv_t<made>>(failure(self.error()));
        }
        if constexpr (std::is_void_v<made>) {
            call(std::forward<F>(f), std::forward<Self>(self));
            return result<void>();
        } else {
            return result<std::remove_cv_t<made>>(
                call(std::forward<F>(f), std::forward<Self>(self)));
        }
    }

    template <class Self>
    static decltype(auto) get(Self&& self) noexcept {
        if constexpr (std::is_void_v<T>) {
            return;
        } else if constexpr (std::is_reference_v<T>) {
            return static_cast<T>(self.value_->get());
        } else {
            return (*std::forward<Self>(self).value_);
        }
    }

    template <class Self>
    static decltype(auto) checked(Self&& self) {
        if (!self.has_value()) {
            throw std::system_error(self.error());
        }
        return get(std::forward<Self>(self));
    }

    template <class F, class Self>
    static decltype(auto) call(F&& f, Self&& self) {
        if constexpr (std::is_void_v<T>) {
            return detail::lean_invoke(std::forward<F>(f));
        } else {
            return detail::lean_invoke(std::forward<F>(f), get(std::forward<Self>(self)));
        }
    }

    std::optional<stored> value_;
    detail::error_slot error_;
};

} // namespace aloft::inline ALOFT_ABI

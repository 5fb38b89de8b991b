// SPDX-License-Identifier: MIT
// Where a task keeps what it ended with: nothing yet, a value, or an exception.
// Layer: L1 coro
//
// States: pending -> value | error, once. The task writes it before it completes; whoever learned
// of the completion reads it afterwards, so it needs no synchronisation of its own.
#pragma once

#include <aloft/config.hpp>

#include <concepts>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

template <class T>
class outcome {
    using stored =
        std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<std::remove_reference_t<T>>,
                           std::remove_const_t<T>>;
    enum class state : unsigned char { pending, value, error };

public:
    outcome() noexcept {}
    outcome(const outcome&) = delete;
    outcome& operator=(const outcome&) = delete;
    ~outcome() { clear(); }

    template <class U>
    void set_value(U&& value) {
        if constexpr (std::is_reference_v<T>) {
            T bound = static_cast<T>(std::forward<U>(value));
            std::construct_at(&value_, std::addressof(bound));
        } else {
            std::construct_at(&value_, std::forward<U>(value));
        }
        state_ = state::value;
    }

    void set_error(std::exception_ptr error) noexcept {
        clear(); // a value may be there if the destructor of a local threw behind co_return
        std::construct_at(&error_, std::move(error));
        state_ = state::error;
    }

    [[nodiscard]] bool failed() const noexcept { return state_ == state::error; }
    [[nodiscard]] bool pending() const noexcept { return state_ == state::pending; }
    [[nodiscard]] std::exception_ptr take_error() noexcept {
        return std::exchange(error_, nullptr);
    }

    /// Moves the value out, or throws the exception.
    [[nodiscard]] T take() {
        if (failed()) [[unlikely]] {
            std::rethrow_exception(take_error());
        }
        if constexpr (std::is_reference_v<T>) {
            return static_cast<T>(*value_);
        } else {
            return std::move(value_);
        }
    }

private:
    void clear() noexcept {
        if (state_ == state::value) {
            std::destroy_at(&value_);
        } else if (state_ == state::error) {
            std::destroy_at(&error_);
        }
        state_ = state::pending;
    }

    union {
        stored value_;
        std::exception_ptr error_;
    };
    state state_ = state::pending;
};

template <class T>
    requires std::is_void_v<T>
class outcome<T> {
public:
    void set_value() noexcept {}
    void set_error(std::exception_ptr error) noexcept { error_ = std::move(error); }
    [[nodiscard]] bool failed() const noexcept { return error_ != nullptr; }
    [[nodiscard]] std::exception_ptr take_error() noexcept {
        return std::exchange(error_, nullptr);
    }
    void take() {
        if (failed()) [[unlikely]] {
            std::rethrow_exception(take_error());
        }
    }

private:
    std::exception_ptr error_;
};

} // namespace aloft::inline ALOFT_ABI::detail

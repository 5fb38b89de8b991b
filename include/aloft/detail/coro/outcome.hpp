// SPDX-License-Identifier: MIT
// Where a task keeps what it ended with: nothing yet, a value, or an exception.
// Layer: L1 coro
//
// States: pending -> value | error, once. The task writes it before it completes; whoever learned
// of the completion reads it afterwards, so it needs no synchronisation of its own. An exception is
// kept in a record on the heap, so that tasks that succeed pay one pointer for it. If there is no
// memory for the record, the exception that comes out is std::bad_alloc.
#pragma once

#include <aloft/detail/coro/unhandled_sink.hpp>

#include <exception>
#include <new>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// An exception, and what is needed to report it after the runtime is gone.
struct failure_record {
    std::exception_ptr error;
    const char* coroutine_name = "";
    sink_pointer sink; // set when a spawned task has ended
};

/// Stands for the record that there was no memory for.
inline failure_record lost_failure{};

/// Owns a failure_record, or none.
class failure_holder {
public:
    failure_holder() noexcept = default;
    failure_holder(std::exception_ptr error, const char* name) noexcept
        : record_(make(std::move(error), name)) {}
    failure_holder(failure_holder&& other) noexcept
        : record_(std::exchange(other.record_, nullptr)) {}
    /// What release() gave.
    explicit failure_holder(failure_record* record) noexcept : record_(record) {}
    failure_holder& operator=(failure_holder&& other) noexcept {
        std::swap(record_, other.record_);
        return *this;
    }
    ~failure_holder() {
        if (record_ != nullptr) [[unlikely]] {
            release(record_);
        }
    }

    explicit operator bool() const noexcept { return record_ != nullptr; }
    /// Null if it was lost.
    [[nodiscard]] failure_record* record() const noexcept {
        return record_ == &lost_failure ? nullptr : record_;
    }

    /// Stands for all of it until a holder is made of it again; null if there is none.
    [[nodiscard]] failure_record* release() noexcept { return std::exchange(record_, nullptr); }

    /// The exception moves out; null if it has been taken before.
    [[nodiscard]] std::exception_ptr take() const noexcept {
        return record_ == &lost_failure ? std::make_exception_ptr(std::bad_alloc())
                                        : std::exchange(record_->error, nullptr);
    }
    [[noreturn]] ALOFT_NOINLINE void rethrow() const { std::rethrow_exception(take()); }

private:
    ALOFT_NOINLINE static failure_record* make(std::exception_ptr error,
                                               const char* name) noexcept {
        auto* const made = new (std::nothrow) failure_record{std::move(error), name, {}};
        return made != nullptr ? made : &lost_failure;
    }
    ALOFT_NOINLINE static void release(failure_record* record) noexcept {
        if (record != &lost_failure) {
            delete record;
        }
    }

    failure_record* record_ = nullptr;
};

/// Whether a task of T can return a U.
template <class T, class U>
inline constexpr bool can_return =
    std::is_constructible_v<std::conditional_t<std::is_reference_v<T>, T, std::remove_const_t<T>>,
                            U> ||
    (std::is_same_v<std::remove_const_t<T>, std::remove_cvref_t<U>> &&
     std::is_copy_constructible_v<T>);
template <class U, class T>
concept returned_as = can_return<T, U>;

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
            ::new (static_cast<void*>(&value_)) stored(__builtin_addressof(bound));
        } else if constexpr (std::is_constructible_v<stored, U>) {
            ::new (static_cast<void*>(__builtin_addressof(value_))) stored(std::forward<U>(value));
        } else { // its move constructor is deleted
            ::new (static_cast<void*>(__builtin_addressof(value_)))
                stored(static_cast<const stored&>(value));
        }
        state_ = state::value;
    }

    void set_error(std::exception_ptr error, const char* name = "") noexcept {
        clear(); // a value may be there if the destructor of a local threw behind co_return
        ::new (static_cast<void*>(&failure_)) failure_holder(std::move(error), name);
        state_ = state::error;
    }

    [[nodiscard]] bool failed() const noexcept { return state_ == state::error; }
    [[nodiscard]] bool pending() const noexcept { return state_ == state::pending; }
    /// Only if failed().
    [[nodiscard]] failure_holder& failure() noexcept { return failure_; }

    /// Moves the value out, or throws the exception.
    [[nodiscard]] T take() {
        if (failed()) [[unlikely]] {
            failure_.rethrow();
        }
        return take_value();
    }

    /// The same when it is known that there is a value.
    [[nodiscard]] T take_value() {
        if constexpr (std::is_reference_v<T>) {
            return static_cast<T>(*value_);
        } else if constexpr (std::is_move_constructible_v<stored>) {
            return std::move(value_);
        } else { // its move constructor is deleted
            return static_cast<const stored&>(value_);
        }
    }

private:
    void clear() noexcept {
        if (state_ == state::error) [[unlikely]] {
            failure_.~failure_holder();
        } else if constexpr (!std::is_trivially_destructible_v<stored>) {
            if (state_ == state::value) {
                value_.~stored();
            }
        }
        state_ = state::pending;
    }

    union {
        stored value_;
        failure_holder failure_;
    };
    state state_ = state::pending;
};

template <class T>
concept no_value = std::is_void_v<T>;

template <no_value T>
class outcome<T> {
public:
    void set_value() noexcept {}
    void set_error(std::exception_ptr error, const char* name = "") noexcept {
        failure_ = failure_holder(std::move(error), name);
    }
    [[nodiscard]] bool failed() const noexcept { return static_cast<bool>(failure_); }
    /// Only if failed().
    [[nodiscard]] failure_holder& failure() noexcept { return failure_; }
    void take() {
        if (failed()) [[unlikely]] {
            failure_.rethrow();
        }
    }

private:
    failure_holder failure_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// generator: a coroutine that yields one value after the other to a loop on the same thread.
// Layer: L1 coro
//
// 1. The generator object owns the frame. Between two steps the coroutine is suspended at a co_yield,
//    and the yielded expression, to which the iterator refers, lives.
// 2. An exception leaves the coroutine through begin() or ++ of the loop, and ends the sequence.
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/frame_allocator.hpp>

#if __has_include(<bits/ranges_base.h>)
#include <bits/ranges_base.h> // std::ranges::view_base alone: <ranges> takes long to compile
#else
#include <ranges>
#endif

#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: `generator<int> digits() { for (int i = 0; i < 10; ++i) co_yield i; }`, for loops and
/// views: `for (int d : digits())`. T may be a value, which is then read as `T&`, or a reference.
///
/// With g++ 12, name an aggregate before you yield it: the compiler destroys a temporary one twice.
///
/// Thread safety: none of its own; one owner at a time, which may pass it to another thread.
/// Lifetime: owns the frame, with its parameters; what is yielded is good until the next step. Leaving
/// the loop early destroys the coroutine's locals.
/// Errors: what the coroutine throws comes out of begin() or ++. Iterating an empty one (moved from)
/// ends the program with a sentence that says so. co_await inside does not compile.
/// Cancellation: none; it never waits.
/// Cost: one recycled frame; a step is a jump there and back.
template <class T>
class[[ALOFT_CORO_RETURN_TYPE nodiscard]] generator : public std::ranges::view_base {
public:
    using value_type = std::remove_cvref_t<T>;
    using reference = std::conditional_t<std::is_reference_v<T>, T, T&>;

    class promise_type {
        using pointer = std::add_pointer_t<reference>;

    public:
        [[nodiscard]] generator get_return_object() noexcept {
            return generator(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
        [[nodiscard]] std::suspend_always final_suspend() const noexcept { return {}; }

        [[nodiscard]] std::suspend_always yield_value(reference value) noexcept {
            current_ = __builtin_addressof(value);
            return {};
        }
        [[nodiscard]] std::suspend_always yield_value(std::remove_reference_t<T>&& value) noexcept
            requires(!std::is_rvalue_reference_v<T>)
        {
            current_ = __builtin_addressof(value);
            return {};
        }
        /// A copy lives in the awaiter, for the length of the co_yield.
        [[nodiscard]] auto yield_value(const value_type& value)
            requires(!std::is_reference_v<T> && !std::is_const_v<T> &&
                     std::is_copy_constructible_v<value_type>)
        {
            struct copy_awaiter : std::suspend_always {
                value_type copy;
                promise_type* promise;
                void await_suspend(std::coroutine_handle<>) noexcept {
                    promise->current_ = __builtin_addressof(copy);
                }
            };
            return copy_awaiter{{}, value, this};
        }

        void return_void() const noexcept {}
        void unhandled_exception() noexcept { error_ = std::current_exception(); }

        template <class Awaitable>
        void await_transform(Awaitable&&) = delete; // a generator does not wait

        static void* operator new(std::size_t bytes) { return detail::allocate_frame(bytes); }
        static void operator delete(void* memory, std::size_t bytes) noexcept {
            detail::deallocate_frame(memory, bytes);
        }

    private:
        friend generator;
        pointer current_ = nullptr;
        std::exception_ptr error_;
    };

    class iterator {
    public:
        using value_type = generator::value_type;
        using difference_type = std::ptrdiff_t;

        iterator() noexcept = default;
        iterator(iterator&& other) noexcept : coroutine_(std::exchange(other.coroutine_, {})) {}
        iterator& operator=(iterator&& other) noexcept {
            coroutine_ = std::exchange(other.coroutine_, {});
            return *this;
        }

        [[nodiscard]] reference operator*() const noexcept {
            return static_cast<reference>(*coroutine_.promise().current_);
        }
        iterator& operator++() {
            step(coroutine_);
            return *this;
        }
        void operator++(int) { ++*this; }

        [[nodiscard]] friend bool operator==(const iterator& at, std::default_sentinel_t) noexcept {
            return at.coroutine_ == nullptr || at.coroutine_.done();
        }

    private:
        friend generator;
        explicit iterator(std::coroutine_handle<promise_type> coroutine) noexcept
            : coroutine_(coroutine) {}
        std::coroutine_handle<promise_type> coroutine_{};
    };

    generator(generator&& other) noexcept : coroutine_(std::exchange(other.coroutine_, {})) {}
    generator& operator=(generator&& other) noexcept {
        if (this != &other) {
            destroy();
            coroutine_ = std::exchange(other.coroutine_, {});
        }
        return *this;
    }
    ~generator() { destroy(); }

    /// Runs to the first co_yield. Once only.
    [[nodiscard]] iterator begin() {
        detail::require(coroutine_ != nullptr, "an empty generator (moved from) was used");
        step(coroutine_);
        return iterator(coroutine_);
    }
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

private:
    explicit generator(std::coroutine_handle<promise_type> coroutine) noexcept
        : coroutine_(coroutine) {}

    static void step(std::coroutine_handle<promise_type> coroutine) {
        coroutine.resume();
        if (coroutine.promise().error_) [[unlikely]] {
            std::rethrow_exception(std::exchange(coroutine.promise().error_, nullptr));
        }
    }

    void destroy() noexcept {
        if (coroutine_ != nullptr) {
            coroutine_.destroy();
        }
    }

    std::coroutine_handle<promise_type> coroutine_;
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// generator: a coroutine that yields one value after the other to a loop on the same thread.
// Layer: L1 coro
//
// 1. The generator object owns the frame. Between two steps the coroutine is suspended at a co_yield,
//    and the yielded expression, to which the iterator refers, lives.
// 2. An exception leaves the coroutine through begin() or ++ of the loop, and ends the sequence.
// 3. A generator that yields elements_of(another) hands the loop on to that one: the outermost promise,
//    `root_` of them all, knows the innermost coroutine, which the loop resumes directly, however deep.
//    When that ends, the one that waits for it is resumed by the loop in step(), not by it: neither
//    nesting nor ending grows the stack. What it threw comes out of that co_yield.
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

template <class T>
class generator;

/// Purpose: `co_yield elements_of(walk(node->left));` in a generator<T> yields everything that another
/// generator<T> yields, one after the other. What that throws comes out of the co_yield.
///
/// Thread safety, cancellation: as generator. Lifetime: moves the generator into the frame.
/// Errors: an empty one, or one that is within elements_of itself, ends the program with a sentence that
/// says so. Cost: a step is a jump there and back, at any depth.
template <class T>
class elements_of {
public:
    explicit elements_of(generator<T>&& from) noexcept : from_(&from) {}

private:
    friend generator<T>;
    generator<T>* from_;
};

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
        [[nodiscard]] auto final_suspend() const noexcept {
            struct awaiter : std::suspend_always {
                void await_suspend(std::coroutine_handle<promise_type> ended) const noexcept {
                    promise_type& nested = ended.promise();
                    if (nested.waiting_ != nullptr) {
                        nested.root_->go_on_with(nested.waiting_);
                    }
                }
            };
            return awaiter{};
        }

        [[nodiscard]] std::suspend_always yield_value(reference value) noexcept {
            root_->current_ = __builtin_addressof(value);
            return {};
        }
        [[nodiscard]] std::suspend_always yield_value(std::remove_reference_t<T>&& value) noexcept
            requires(!std::is_rvalue_reference_v<T>)
        {
            root_->current_ = __builtin_addressof(value);
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
                    promise->root_->current_ = __builtin_addressof(copy);
                }
            };
            return copy_awaiter{{}, value, this};
        }

        [[nodiscard]] auto yield_value(elements_of<T> nested) noexcept {
            return nested_awaiter(std::move(*nested.from_), *this);
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
        friend class nested_awaiter;

        /// Of the root: what the loop resumes next, without being asked.
        void go_on_with(std::coroutine_handle<promise_type> next) noexcept {
            innermost_ = next;
            goes_on_ = true;
        }

        promise_type* root_ = this;
        std::coroutine_handle<promise_type> waiting_{}; // for this one's end
        generator* owner_ = nullptr;                    // there
        std::exception_ptr error_;
        // the root's
        pointer current_ = nullptr;
        std::coroutine_handle<promise_type> innermost_ =
            std::coroutine_handle<promise_type>::from_promise(*this);
        bool goes_on_ = false;
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
    /// Owns the nested generator while the one around it waits.
    class nested_awaiter {
    public:
        nested_awaiter(generator&& nested, promise_type& around) noexcept
            : nested_(std::move(nested)), around_(around) {
            detail::require(nested_.coroutine_ != nullptr,
                            "an empty generator (moved from) was used");
            detail::require(
                nested_.coroutine_.promise().innermost_ == nested_.coroutine_,
                "elements_of: a generator that is inside of another one cannot be moved "
                "into a third");
        }
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<promise_type> around) noexcept {
            promise_type& inner = nested_.coroutine_.promise();
            inner.root_ = around_.root_;
            inner.waiting_ = around;
            inner.owner_ = &nested_;
            inner.root_->go_on_with(nested_.coroutine_);
        }
        void await_resume() {
            if (const std::exception_ptr& error = nested_.coroutine_.promise().error_) {
                std::rethrow_exception(error);
            }
        }

    private:
        generator nested_;
        promise_type& around_;
    };

    explicit generator(std::coroutine_handle<promise_type> coroutine) noexcept
        : coroutine_(coroutine) {}

    static void step(std::coroutine_handle<promise_type> coroutine) {
        promise_type& root = coroutine.promise();
        do {
            root.goes_on_ = false;
            root.innermost_.resume();
        } while (root.goes_on_);
        if (coroutine.promise().error_) [[unlikely]] {
            std::rethrow_exception(std::exchange(coroutine.promise().error_, nullptr));
        }
    }

    /// From the innermost one outwards, so that a deep nesting does not grow the stack.
    void destroy() noexcept {
        if (coroutine_ == nullptr) {
            return;
        }
        for (auto each = coroutine_.promise().innermost_;
             each != coroutine_ && each.promise().waiting_ != nullptr;) {
            const auto around = each.promise().waiting_;
            each.promise().owner_->coroutine_ = nullptr;
            each.destroy();
            each = around;
        }
        coroutine_.destroy();
    }

    std::coroutine_handle<promise_type> coroutine_;
};

} // namespace aloft::inline ALOFT_ABI

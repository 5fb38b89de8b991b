// SPDX-License-Identifier: MIT
// async_generator: a coroutine that yields values one after the other and may wait in between.
// Layer: L1 coro
//
//   created, at a co_yield --next()--> running --co_yield--> at a co_yield  (the consumer is resumed)
//                                      running --end-------> ended          (the same)
//
// 1. Only one next() is under way at a time. While it is, the consumer is suspended and the generator
//    runs in the consumer's place: on its threads, in its environment, so what stops the consumer's
//    await stops what the generator waits for.
// 2. The generator object owns the frame. Destroying it between two steps destroys the coroutine's
//    locals, which is the clean early exit. Destroying it inside a step, with the frame of a consumer
//    that waits, cancels what the coroutine waits for, as for any task.
// 3. What is yielded is good until the next step.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/detail/coro/transfer.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

template <class T>
class async_generator;

namespace detail {

template <class T, transfer_mode Mode>
class async_generator_step;

template <class T>
struct async_generator_promise : promise_base {
    using reference = std::conditional_t<std::is_reference_v<T>, T, T&>;
    using value = std::remove_cvref_t<T>;
    using pointer = std::add_pointer_t<reference>;

    async_generator_promise() noexcept { on_done = nullptr; }
    [[nodiscard]] async_generator<T> get_return_object() noexcept;
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] ALOFT_ALWAYS_INLINE auto final_suspend() noexcept {
        current = nullptr;
        ended = true;
        return final_awaiter<transfer_here>{};
    }

    [[nodiscard]] final_awaiter<transfer_here> yield_value(reference each) noexcept {
        current = __builtin_addressof(each);
        return {};
    }
    [[nodiscard]] final_awaiter<transfer_here>
    yield_value(std::remove_reference_t<T>&& each) noexcept
        requires(!std::is_rvalue_reference_v<T>)
    {
        current = __builtin_addressof(each);
        return {};
    }
    /// A copy lives in the awaiter, for the length of the co_yield.
    [[nodiscard]] auto yield_value(const value& each)
        requires(!std::is_reference_v<T> && !std::is_const_v<T> &&
                 std::is_copy_constructible_v<value>)
    {
        struct copy_awaiter : final_awaiter<transfer_here> {
            value copy;
            explicit copy_awaiter(const value& from) : copy(from) {}
            auto await_suspend(std::coroutine_handle<async_generator_promise> at) noexcept {
                at.promise().current = __builtin_addressof(copy);
                return final_awaiter<transfer_here>::await_suspend(at);
            }
        };
        return copy_awaiter(each);
    }

    void return_void() const noexcept {}
    void unhandled_exception() noexcept { error = std::current_exception(); }

    pointer current = nullptr;
    bool ended = false;
    std::exception_ptr error;
};

} // namespace detail

/// Purpose: a stream of values that are waited for:
///     async_generator<std::string> lines(tcp_stream& from);
///     auto all = lines(stream);
///     while (auto* line = co_await all.next()) use(*line);
/// next() gives a pointer to what was yielded, or null at the end. `auto i = co_await all.begin();
/// i != all.end(); co_await ++i` is the same with an iterator.
///
/// With g++ 12, name an aggregate before you yield it: the compiler destroys a temporary one twice.
///
/// Thread safety: none of its own; one consumer at a time, which may move from thread to thread.
/// Lifetime: owns the frame, with its parameters; what is yielded is good until the next step. It may
/// be destroyed between two steps: leaving the loop early runs the destructors of the coroutine's
/// locals.
/// Errors: what the coroutine throws comes out of next(), and ends the stream. Using an empty one
/// (moved from) ends the program with a sentence that says so.
/// Cancellation: what the coroutine awaits belongs to the consumer's task and is stopped with it.
/// Cost: one recycled frame; a step is two jumps, without any atomic operation.
template <class T>
class[[ALOFT_CORO_RETURN_TYPE nodiscard]] async_generator {
public:
    using promise_type = detail::async_generator_promise<T>;
    using value_type = typename promise_type::value;
    using reference = typename promise_type::reference;

    async_generator() noexcept = default;
    async_generator(async_generator&& other) noexcept
        : coroutine_(std::exchange(other.coroutine_, {})) {}
    async_generator& operator=(async_generator&& other) noexcept {
        if (this != &other) {
            destroy();
            coroutine_ = std::exchange(other.coroutine_, {});
        }
        return *this;
    }
    ~async_generator() { destroy(); }

    /// Awaited, runs to the next co_yield.
    [[nodiscard]] auto next() {
        detail::require(coroutine_ != nullptr, "an empty async_generator (moved from) was used");
        return detail::async_generator_step<T, detail::transfer_here>(coroutine_);
    }

    class iterator {
    public:
        [[nodiscard]] reference operator*() const noexcept { return static_cast<reference>(*at_); }
        /// Awaited, goes to the next value.
        [[nodiscard]] auto operator++() { return step(*this); }

        [[nodiscard]] friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept {
            return i.at_ == nullptr;
        }

    private:
        friend async_generator;
        class step : detail::async_generator_step<T, detail::transfer_here> {
            using base [[maybe_unused]] = detail::async_generator_step<T, detail::transfer_here>;

        public:
            explicit step(iterator& i) : base(i.coroutine_), iterator_(&i) {}
            using base::await_ready;
            using base::await_suspend;
            iterator& await_resume() {
                iterator_->at_ = base::await_resume();
                return *iterator_;
            }

        private:
            iterator* iterator_;
        };

        std::coroutine_handle<promise_type> coroutine_{};
        typename promise_type::pointer at_ = nullptr;
    };

    /// Awaited, goes to the first value. Once only.
    [[nodiscard]] auto begin() {
        detail::require(coroutine_ != nullptr, "an empty async_generator (moved from) was used");
        class first : detail::async_generator_step<T, detail::transfer_here> {
            using base [[maybe_unused]] = detail::async_generator_step<T, detail::transfer_here>;

        public:
            explicit first(std::coroutine_handle<promise_type> c) : base(c), coroutine_(c) {}
            using base::await_ready;
            using base::await_suspend;
            iterator await_resume() {
                iterator i;
                i.coroutine_ = coroutine_;
                i.at_ = base::await_resume();
                return i;
            }

        private:
            std::coroutine_handle<promise_type> coroutine_;
        };
        return first(coroutine_);
    }
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

private:
    friend promise_type;
    explicit async_generator(std::coroutine_handle<promise_type> coroutine) noexcept
        : coroutine_(coroutine) {}

    void destroy() noexcept {
        if (coroutine_ != nullptr) {
            coroutine_.destroy();
        }
    }

    std::coroutine_handle<promise_type> coroutine_{};
};

namespace detail {

template <class T, transfer_mode Mode>
class [[nodiscard]] async_generator_step {
    using promise_type = async_generator_promise<T>;

public:
    explicit async_generator_step(std::coroutine_handle<promise_type> coroutine) noexcept
        : coroutine_(coroutine) {}

    [[nodiscard]] bool await_ready() const noexcept { return coroutine_.promise().ended; }

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        promise_type& promise = coroutine_.promise();
        promise.owner.store(parent.address(), std::memory_order_relaxed);
        promise.env = environment_of(parent);
        return transfer_from<Mode>(parent, coroutine_);
    }

    typename promise_type::pointer await_resume() {
        promise_type& promise = coroutine_.promise();
        if (promise.error) [[unlikely]] {
            std::rethrow_exception(std::exchange(promise.error, nullptr));
        }
        return promise.current;
    }

private:
    std::coroutine_handle<promise_type> coroutine_;
};

template <class T>
async_generator<T> async_generator_promise<T>::get_return_object() noexcept {
    const auto self = std::coroutine_handle<async_generator_promise>::from_promise(*this);
    this->coroutine = self;
    return async_generator<T>(self);
}

} // namespace detail
} // namespace aloft::inline ALOFT_ABI

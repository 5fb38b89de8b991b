// SPDX-License-Identifier: MIT
// A result that is set once, that many tasks may wait for, and that everybody who refers to it owns.
// Layer: L1 coro
//
//   pending --claim--> being set --publish--> done
//
// 1. `claim` is won once, by an exchange; the winner alone writes the content, then publishes it under
//    the room's lock and takes all waiters out. Who sees `done` may read the content for ever.
// 2. A waiter looks at `done` under the room's lock, so it is not left behind (waiting_room.hpp).
// 3. The references are counted (shared_pointer.hpp); waiters hold one.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/shared_pointer.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/error.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace aloft::inline ALOFT_ABI::detail {

template <class T>
class shared_result : public reference_counted {
    using stored = std::conditional_t<
        std::is_void_v<T>, std::monostate,
        std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<std::remove_reference_t<T>>,
                           std::remove_cv_t<T>>>;

public:
    shared_result() = default;
    shared_result(const shared_result&) = delete;
    shared_result& operator=(const shared_result&) = delete;

    /// True for the one who is to set the result.
    [[nodiscard]] bool claim() noexcept {
        return !claimed_.exchange(true, std::memory_order_relaxed);
    }

    /// Behind claim(): what the value's constructor throws becomes the result.
    template <class... Arguments>
    void set_value(Arguments&&... arguments) noexcept {
        try {
            if constexpr (std::is_reference_v<T>) {
                content_.template emplace<1>(std::addressof(arguments)...);
            } else {
                content_.template emplace<1>(std::forward<Arguments>(arguments)...);
            }
        } catch (...) {
            content_.template emplace<2>(std::current_exception());
        }
        publish();
    }
    void set_exception(std::exception_ptr error) noexcept {
        content_.template emplace<2>(std::move(error));
        publish();
    }

    [[nodiscard]] bool done() const noexcept {
        // order(shared_result.done): acquire; the content becomes visible
        return done_.load(std::memory_order_acquire);
    }

    /// Only when done().
    [[nodiscard]] std::add_lvalue_reference_t<T> get() {
        if (const std::exception_ptr* const error = std::get_if<2>(&content_)) {
            std::rethrow_exception(*error);
        }
        if constexpr (std::is_void_v<T>) {
            return;
        } else if constexpr (std::is_reference_v<T>) {
            return **std::get_if<1>(&content_);
        } else {
            return *std::get_if<1>(&content_);
        }
    }

    [[nodiscard]] waiting_room& room() noexcept { return room_; }

private:
    void publish() noexcept {
        work_list woken;
        {
            const spin_guard guard(room_.lock());
            // order(shared_result.done): release; the content becomes visible to who sees it
            done_.store(true, std::memory_order_release);
            while (room_.first() != nullptr) {
                room_.give(*room_.first(), woken);
            }
        }
        waiting_room::resume_all(woken);
    }

    atomic<bool> claimed_{false};
    atomic<bool> done_{false};
    waiting_room room_;
    std::variant<std::monostate, stored, std::exception_ptr> content_;
};

/// Waits for a result; State offers begin(environment), called before the first look.
template <class T, class State>
class [[nodiscard]] shared_result_awaiter : room_waiter {
public:
    shared_result_awaiter(shared_pointer<State> state, const char* who) noexcept
        : state_(std::move(state)), who_(who) {}
    shared_result_awaiter(shared_result_awaiter&& other) noexcept // only before it is awaited
        : room_waiter(), state_(std::move(other.state_)), who_(other.who_) {}
    ~shared_result_awaiter() { waiting_room::forget(*this); }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
        const environment* const env = environment_of(self);
        if constexpr (requires(State& s) { s.begin(env); }) {
            state_->begin(env);
        }
        return state_->room().wait(
            *this, self, env, [s = state_.get()] { return s->done(); },
            who_); // PUBLISHED if true
    }

    std::add_lvalue_reference_t<T> await_resume() {
        if (!waiting_room::resumed(*this)) [[unlikely]] {
            throw_error(canceled_error(), who_);
        }
        return state_->get();
    }

private:
    shared_pointer<State> state_;
    const char* who_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// channel<T>: values that tasks hand to other tasks, in order, with as many under way as it has
// room for.
// Layer: L1 coro
//
// Who may touch what, and why nobody stays asleep beside what it waits for:
// detail/coro/channel_core.hpp, detail/coro/waiting_room.hpp.
#pragma once

#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/channel_core.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/error.hpp>
#include <aloft/result.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

namespace detail {
struct select_access;
}

/// Purpose: hands values from any number of tasks to any number of others, in the order in which
/// they were sent: `while (auto v = co_await ch.recv()) use(*v);` A value goes to one receiver.
/// What holds `capacity` values makes senders wait for receivers; with capacity 0 every sender
/// waits for the receiver that takes its value, and channel<T>::unbounded() makes nobody wait.
///
/// Thread safety: every member may be called on any thread; send() and recv() are awaited in tasks.
/// Lifetime: must outlive its waiters; a sender's value that was received is in the receiver's
/// hands, which may then destroy the channel. It does not move.
/// Errors: std::errc::broken_pipe from send() when it is closed; what T's constructors throw; where
/// it is unbounded, std::bad_alloc from send() and try_send().
/// Cancellation: a send() or recv() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled; then it has not sent its value, or taken one. What was handed
/// over before the request counts.
/// Cost: one short lock; a wait allocates nothing. A bounded channel allocates in its constructor
/// only, capacity x sizeof(T); an unbounded one every few KiB. T is moved under the lock: its move
/// constructor must not use the channel.
template <class T>
class channel {
    static_assert(std::is_object_v<T> && std::same_as<T, std::remove_cv_t<T>>,
                  "a channel holds objects: no references, no const");
    static_assert(std::move_constructible<T>);

public:
    using value_type = T;

    /// The capacity of an unbounded channel.
    static constexpr std::size_t unlimited = detail::channel_buffer<T>::unlimited;

    explicit channel(std::size_t capacity) : core_(capacity) {}
    [[nodiscard]] static channel unbounded() { return channel(unlimited); }

    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel() = default;

    class recv_awaiter;
    class send_awaiter;

    /// Sends when there is room. If that fails, because the channel is closed or the task was
    /// stopped, an awaiter that has a name still has the value: `auto s = ch.send(std::move(v));
    /// ... s.value()`.
    /// With g++ 12, give a value a name whose type is an aggregate with members that need
    /// destruction: that compiler destroys such a temporary twice in a co_await expression.
    [[nodiscard]] send_awaiter send(T&& value) noexcept(std::is_nothrow_move_constructible_v<T>) {
        return send_awaiter(core_, std::move(value));
    }
    [[nodiscard]] send_awaiter send(const T& value)
        requires std::copy_constructible<T>
    {
        return send_awaiter(core_, value);
    }

    /// Takes the oldest value when there is one; std::nullopt when the channel is closed and empty.
    [[nodiscard]] recv_awaiter recv() noexcept { return recv_awaiter(core_); }

    /// Sends if there is room, or somebody waits for a value, and it is not closed. Else false, and
    /// the value is as it was.
    [[nodiscard]] bool try_send(T&& value) {
        detail::work_list woken;
        detail::channel_answer answer = detail::channel_answer::blocked;
        {
            const detail::spin_guard guard(core_.room().lock());
            answer = core_.offer(value, woken);
        }
        detail::waiting_room::resume_all(woken);
        return answer == detail::channel_answer::done;
    }
    [[nodiscard]] bool try_send(const T& value)
        requires std::copy_constructible<T>
    {
        return try_send(T(value));
    }

    /// Takes the oldest value if there is one, or a sender waits.
    [[nodiscard]] std::optional<T> try_recv() {
        std::optional<T> value;
        detail::work_list woken;
        {
            const detail::spin_guard guard(core_.room().lock());
            (void)core_.take(value, woken);
        }
        detail::waiting_room::resume_all(woken);
        return value;
    }

    /// Nothing can be sent any more: senders that wait fail, receivers get what is left and then
    /// std::nullopt. True for the first call.
    bool close() noexcept { return core_.close(); }

    [[nodiscard]] bool closed() const noexcept { return core_.closed(); }

    /// How many values it holds now, those of waiting senders apart.
    [[nodiscard]] std::size_t size() const noexcept { return core_.size(); }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }

    class [[nodiscard]] recv_awaiter : detail::channel_waiter<T> {
    public:
        explicit recv_awaiter(detail::channel_core<T>& core) noexcept
            : detail::channel_waiter<T>(detail::channel_side::receives), core_(&core) {}
        recv_awaiter(recv_awaiter&& other) noexcept // only before it is awaited
            : recv_awaiter(*other.core_) {}
        ~recv_awaiter() { detail::waiting_room::forget(*this); }

        [[nodiscard]] bool await_ready() const noexcept { return false; }

        template <class Promise>
        ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
            begin();
            detail::work_list woken;
            const bool waits = core_->room().wait(
                *this, self, detail::environment_of(self), [&] { return take_now(woken); },
                "channel: recv"); // PUBLISHED if true
            detail::waiting_room::resume_all(woken);
            return waits;
        }

        std::optional<T> await_resume() {
            if (!detail::waiting_room::resumed(*this)) [[unlikely]] {
                detail::throw_error(canceled_error(), "channel: recv");
            }
            return std::move(value_);
        }
        result<std::optional<T>> await_resume_as_result() {
            if (!detail::waiting_room::resumed(*this)) [[unlikely]] {
                return failure(canceled_error());
            }
            return result<std::optional<T>>(std::in_place, std::move(value_));
        }

    private:
        friend detail::select_access;

        void begin() noexcept { this->into = &value_; }
        [[nodiscard]] bool take_now(detail::work_list& woken) {
            return core_->take(value_, woken) != detail::channel_answer::blocked;
        }
        [[nodiscard]] std::optional<T> take_result() noexcept { return std::move(value_); }

        detail::channel_core<T>* core_;
        std::optional<T> value_;
    };

    class [[nodiscard]] send_awaiter : detail::channel_waiter<T> {
    public:
        template <class U>
        explicit send_awaiter(detail::channel_core<T>& core, U&& value)
            : detail::channel_waiter<T>(detail::channel_side::sends),
              core_(&core),
              value_(std::forward<U>(value)) {}
        send_awaiter(send_awaiter&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
            : send_awaiter(*other.core_, std::move(other.value_)) {} // only before it is awaited
        ~send_awaiter() { detail::waiting_room::forget(*this); }

        /// What is to be sent, or was not sent.
        [[nodiscard]] T& value() noexcept { return value_; }

        [[nodiscard]] bool await_ready() const noexcept { return false; }

        template <class Promise>
        ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
            begin();
            detail::work_list woken;
            const bool waits = core_->room().wait(
                *this, self, detail::environment_of(self), [&] { return take_now(woken); },
                "channel: send"); // PUBLISHED if true
            detail::waiting_room::resume_all(woken);
            return waits;
        }

        void await_resume() {
            if (!detail::waiting_room::resumed(*this)) [[unlikely]] {
                detail::throw_error(canceled_error(), "channel: send");
            }
            take_result();
        }
        result<void> await_resume_as_result() {
            if (!detail::waiting_room::resumed(*this)) [[unlikely]] {
                return failure(canceled_error());
            }
            if (this->closed) {
                return failure(std::errc::broken_pipe);
            }
            take_result();
            return {};
        }

    private:
        friend detail::select_access;

        void begin() noexcept { this->from = &value_; }
        [[nodiscard]] bool take_now(detail::work_list& woken) {
            const detail::channel_answer answer = core_->offer(value_, woken);
            this->closed = answer == detail::channel_answer::closed;
            return answer != detail::channel_answer::blocked;
        }
        void take_result() {
            if (this->closed) [[unlikely]] {
                detail::throw_error(std::make_error_code(std::errc::broken_pipe),
                                    "channel: send: it is closed");
            }
            if constexpr (detail::channel_waiter<T>::may_throw) {
                if (this->error) {
                    std::rethrow_exception(this->error);
                }
            }
        }

        detail::channel_core<T>* core_;
        T value_;
    };

private:
    mutable detail::channel_core<T> core_;
};

} // namespace aloft::inline ALOFT_ABI

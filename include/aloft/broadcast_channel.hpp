// SPDX-License-Identifier: MIT
// broadcast_channel<T>: every subscriber gets every value, unless it is too slow, and then it is
// told.
// Layer: L1 coro
//
// Values are numbered from 0; the channel holds those from first_ to end_, at most capacity of
// them. A subscription is nothing but the number of the value that it gets next.
//
// 1. Everything but the subscriptions is touched under the room's lock; a subscription belongs to
//    the task that uses it.
// 2. Who waits has got everything up to end_, so whoever sends or closes wakes all who wait. A
//    woken one copies its value itself, when it runs.
#pragma once

#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/error.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI {

/// Purpose: sends each value to all who have subscribed. It holds the last `capacity` values;
/// senders never wait. A subscriber that falls behind by more goes on with the oldest one that is
/// left, and missed() says how many it has lost.
///
/// Thread safety: every member may be called on any thread; a subscription is used by one task at a
/// time.
/// Lifetime: must outlive its subscriptions' use. A value stays until newer ones take its place.
/// Errors: what T's constructors throw; std::errc::invalid_argument for a capacity of 0.
/// Cancellation: a recv() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled and takes nothing.
/// Cost: one short lock, under which T is copied or moved: its constructors must not use the
/// channel. A wait allocates nothing; the constructor allocates.
template <std::copy_constructible T>
class broadcast_channel {
public:
    using value_type = T;

    explicit broadcast_channel(std::size_t capacity) : capacity_(capacity) {
        if (capacity == 0) {
            detail::throw_error(std::make_error_code(std::errc::invalid_argument),
                                "broadcast_channel: the capacity is 0");
        }
        cells_ = std::vector<std::optional<T>>(capacity);
    }

    class subscription;

    /// Gets what is sent from now on.
    [[nodiscard]] subscription subscribe() noexcept {
        const detail::spin_guard guard(room_.lock());
        return subscription(*this, end_);
    }

    /// False: it is closed.
    bool send(T value) {
        detail::work_list woken;
        {
            const detail::spin_guard guard(room_.lock());
            if (closed_) {
                return false;
            }
            if (end_ - first_ == capacity_) {
                ++first_;
            }
            cells_[end_ % capacity_].emplace(std::move(value));
            ++end_;
            wake_all(woken);
        }
        detail::waiting_room::resume_all(woken);
        return true;
    }

    /// Subscribers get what is left for them and then std::nullopt. True for the first call.
    bool close() noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard guard(room_.lock());
            if (std::exchange(closed_, true)) {
                return false;
            }
            wake_all(woken);
        }
        detail::waiting_room::resume_all(woken);
        return true;
    }

    [[nodiscard]] bool closed() const noexcept {
        const detail::spin_guard guard(room_.lock());
        return closed_;
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

    class [[nodiscard]] recv_awaiter : detail::room_waiter {
    public:
        explicit recv_awaiter(subscription& by) noexcept : by_(&by) {}
        recv_awaiter(recv_awaiter&& other) noexcept // only before it is awaited
            : room_waiter(), by_(other.by_) {}
        ~recv_awaiter() { detail::waiting_room::forget(*this); }

        [[nodiscard]] bool await_ready() const noexcept { return false; }

        template <class Promise>
        ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
            broadcast_channel& channel = *by_->channel_;
            return channel.room_.wait(
                *this, self, detail::environment_of(self),
                [&channel, next = by_->next_] { return next < channel.end_ || channel.closed_; },
                "broadcast_channel: recv"); // PUBLISHED if true
        }

        std::optional<T> await_resume() {
            if (!detail::waiting_room::resumed(*this)) [[unlikely]] {
                detail::throw_error(canceled_error(), "broadcast_channel: recv");
            }
            return by_->try_recv();
        }

    private:
        subscription* by_;
    };

    /// A copy goes on from the same value, on its own.
    class subscription {
    public:
        /// The next value when there is one; std::nullopt when the channel is closed and there is
        /// none.
        [[nodiscard]] recv_awaiter recv() noexcept { return recv_awaiter(*this); }

        [[nodiscard]] std::optional<T> try_recv() {
            const detail::spin_guard guard(channel_->room_.lock());
            if (next_ < channel_->first_) {
                missed_ += channel_->first_ - next_;
                next_ = channel_->first_;
            }
            if (next_ == channel_->end_) {
                return std::nullopt;
            }
            std::optional<T> value(channel_->cells_[next_ % channel_->capacity_]);
            ++next_;
            return value;
        }

        /// How many values were gone before it took them.
        [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }

    private:
        friend broadcast_channel;
        friend recv_awaiter;
        subscription(broadcast_channel& channel, std::uint64_t next) noexcept
            : channel_(&channel), next_(next) {}

        broadcast_channel* channel_;
        std::uint64_t next_;
        std::uint64_t missed_ = 0;
    };

private:
    void wake_all(detail::work_list& woken) noexcept {
        while (!room_.empty()) {
            room_.give(*room_.first(), woken);
        }
    }

    mutable detail::waiting_room room_;
    const std::size_t capacity_;
    bool closed_ = false;
    std::uint64_t first_ = 0;
    std::uint64_t end_ = 0;
    std::vector<std::optional<T>> cells_;
};

} // namespace aloft::inline ALOFT_ABI

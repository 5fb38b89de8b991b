// SPDX-License-Identifier: MIT
// watch_channel<T>: one value that changes, and tasks that wait until it has.
// Layer: L1 coro
//
// 1. Everything but the subscriptions is touched under the room's lock; a subscription belongs to
//    the task that uses it, and remembers the number of the version that it saw last.
// 2. Who waits has seen the latest version, so whoever sends or closes wakes all who wait.
#pragma once

#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/error.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: holds the latest value of something, such as settings; tasks learn when it has changed:
/// `while (co_await sub.changed()) use(sub.get());` Values between may be skipped; the last
/// one never is.
///
/// Thread safety: every member may be called on any thread; a subscription is used by one task at a
/// time.
/// Lifetime: must outlive its subscriptions' use.
/// Errors: what T's copies and assignments throw.
/// Cancellation: a changed() of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled and has seen nothing.
/// Cost: one short lock, under which T is copied or assigned: that must not use the channel. No
/// allocation.
template <std::copyable T>
class watch_channel {
public:
    using value_type = T;

    explicit watch_channel(T value) : value_(std::move(value)) {}

    class subscription;

    /// Is told of what is sent from now on.
    [[nodiscard]] subscription subscribe() noexcept {
        const detail::spin_guard guard(room_.lock());
        return subscription(*this, version_);
    }

    /// A copy of the latest value.
    [[nodiscard]] T get() const {
        const detail::spin_guard guard(room_.lock());
        return value_;
    }

    /// Replaces the value. False: it is closed.
    bool send(T value) {
        detail::work_list woken;
        {
            const detail::spin_guard guard(room_.lock());
            if (closed_) {
                return false;
            }
            value_ = std::move(value);
            ++version_;
            wake_all(woken);
        }
        detail::waiting_room::resume_all(woken);
        return true;
    }

    /// The value stays as it is. True for the first call.
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

    class [[nodiscard]] changed_awaiter : detail::room_waiter {
    public:
        explicit changed_awaiter(subscription& by) noexcept : by_(&by) {}
        changed_awaiter(changed_awaiter&& other) noexcept // only before it is awaited
            : room_waiter(), by_(other.by_) {}
        ~changed_awaiter() { detail::waiting_room::forget(*this); }

        [[nodiscard]] bool await_ready() const noexcept { return false; }

        template <class Promise>
        ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
            watch_channel& channel = *by_->channel_;
            return channel.room_.wait(
                *this, self, detail::environment_of(self),
                [&channel, seen = by_->seen_] {
                    return seen != channel.version_ || channel.closed_;
                },
                "watch_channel: changed"); // PUBLISHED if true
        }

        bool await_resume() {
            if (!detail::waiting_room::resumed(*this)) [[unlikely]] {
                detail::throw_error(canceled_error(), "watch_channel: changed");
            }
            return by_->mark_seen();
        }

    private:
        subscription* by_;
    };

    class subscription {
    public:
        /// Waits until there is a value that this subscription has not seen. False: the channel is
        /// closed and there is none.
        [[nodiscard]] changed_awaiter changed() noexcept { return changed_awaiter(*this); }

        /// A copy of the latest value, which counts as seen.
        [[nodiscard]] T get() {
            const detail::spin_guard guard(channel_->room_.lock());
            seen_ = channel_->version_;
            return channel_->value_;
        }

    private:
        friend watch_channel;
        friend changed_awaiter;
        subscription(watch_channel& channel, std::uint64_t seen) noexcept
            : channel_(&channel), seen_(seen) {}

        [[nodiscard]] bool mark_seen() noexcept {
            const detail::spin_guard guard(channel_->room_.lock());
            return std::exchange(seen_, channel_->version_) != channel_->version_;
        }

        watch_channel* channel_;
        std::uint64_t seen_;
    };

private:
    void wake_all(detail::work_list& woken) noexcept {
        while (!room_.empty()) {
            room_.give(*room_.first(), woken);
        }
    }

    mutable detail::waiting_room room_;
    bool closed_ = false;
    std::uint64_t version_ = 0;
    T value_;
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// The time limits of operations that wait, in the order of their deadlines.
// Layer: L2 reactor
//
// 1. The list goes through the limits' own records, so each belongs to one operation at a time.
//    Limits of equal length are added and removed in constant time.
// 2. Everything is touched under the lock, which is taken behind the lock of a descriptor's entry.
//    Whoever goes the other way only tries the entry's lock (epoll.hpp).
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/reactor/clock.hpp>
#include <aloft/detail/reactor/operation.hpp>

#include <atomic>

namespace aloft::inline ALOFT_ABI::detail {

/// The end of a limit that begins now.
[[nodiscard]] inline clock_ns deadline_of(const time_limit& limit, clock_ns now) noexcept {
    constexpr std::int64_t most_seconds = 4'000'000'000; // no sum below overflows
    if (limit.seconds >= most_seconds) {
        return no_deadline - 1;
    }
    return now + limit.seconds * 1'000'000'000 + limit.nanoseconds;
}

class limit_list {
public:
    /// True: it is the first to come.
    [[nodiscard]] bool add(operation& op, clock_ns now) noexcept {
        const time_limit& limit = *op.limit;
        limit.owner = &op;
        limit.deadline = deadline_of(limit, now);
        const spin_guard guard(lock_);
        const time_limit* before = last_;
        while (before != nullptr && before->deadline > limit.deadline) {
            before = before->previous;
        }
        limit.previous = before;
        limit.next = before == nullptr ? first_ : before->next;
        (limit.next == nullptr ? last_ : limit.next->previous) = &limit;
        (before == nullptr ? first_ : before->next) = &limit;
        publish();
        return before == nullptr;
    }

    void remove(operation& op) noexcept {
        const spin_guard guard(lock_);
        unlink(*op.limit);
    }

    /// Calls take(op) for each that is due by now, until it gives false. What it gave true for is
    /// out of the list.
    template <class Take>
    void take_due(clock_ns now, Take&& take) noexcept {
        if (next() > now) {
            return;
        }
        const spin_guard guard(lock_);
        while (first_ != nullptr && first_->deadline <= now) {
            const time_limit& limit = *first_;
            operation& op = *limit.owner;
            unlink(limit);
            if (!take(op)) {
                // at its old place, the first
                limit.previous = nullptr;
                limit.next = first_;
                (first_ == nullptr ? last_ : first_->previous) = &limit;
                first_ = &limit;
                publish();
                return;
            }
        }
    }

    /// The earliest deadline, or no_deadline; a hint for other threads.
    [[nodiscard]] clock_ns next() const noexcept { return next_.load(std::memory_order_relaxed); }

private:
    void unlink(const time_limit& limit) noexcept {
        (limit.previous == nullptr ? first_ : limit.previous->next) = limit.next;
        (limit.next == nullptr ? last_ : limit.next->previous) = limit.previous;
        publish();
    }

    void publish() noexcept {
        next_.store(first_ == nullptr ? no_deadline : first_->deadline, std::memory_order_relaxed);
    }

    spin_lock lock_;
    const time_limit* first_ = nullptr;
    const time_limit* last_ = nullptr;
    atomic<clock_ns> next_{no_deadline};
};

} // namespace aloft::inline ALOFT_ABI::detail

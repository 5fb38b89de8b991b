// SPDX-License-Identifier: MIT
// Events that have been taken from an epoll instance together and are looked at one by one.
// Layer: L2 reactor
//
// Everything is the harvester's (epoll.hpp, 3), but left() and taken_at(), which are hints for others.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/reactor/clock.hpp>
#include <aloft/detail/reactor/epoll_instance.hpp>

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstddef>

namespace aloft::inline ALOFT_ABI::detail {

class epoll_batch {
public:
    static constexpr std::size_t capacity = 128;

    [[nodiscard]] bool is_used_up() const noexcept { return next_ == size_; }

    /// When the last one is used up. Waits until there is an event, or the deadline passes.
    void take(epoll_instance& from, clock_ns deadline) noexcept {
        size_ = static_cast<std::size_t>(
            from.wait(events_.data(), static_cast<int>(capacity), deadline));
        next_ = 0;
        note_left();
        taken_at_.store(now_ns(), std::memory_order_relaxed);
    }

    /// Calls look(event) for so many at most.
    template <class Look>
    void use(std::size_t most, Look&& look) noexcept {
        for (; most > 0 && !is_used_up(); --most) {
            look(events_[next_++]);
        }
        note_left();
    }

    [[nodiscard]] bool left() const noexcept { return left_.load(std::memory_order_relaxed); }
    [[nodiscard]] clock_ns taken_at() const noexcept {
        return taken_at_.load(std::memory_order_relaxed);
    }

private:
    void note_left() noexcept { left_.store(!is_used_up(), std::memory_order_relaxed); }

    std::size_t next_ = 0;
    std::size_t size_ = 0;
    atomic<bool> left_{false};
    atomic<clock_ns> taken_at_{0};
    std::array<epoll_event, capacity> events_;
};

} // namespace aloft::inline ALOFT_ABI::detail

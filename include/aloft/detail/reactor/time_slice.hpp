// SPDX-License-Identifier: MIT
// Asks the system to let a thread that serves others go before one that computes for long.
// Layer: L2 reactor
//
// Linux 6.12 and later let a thread say how long a turn on a processor it wants. That changes nothing
// about its share of it: who asks for short turns has more of them, and has the next one sooner. In
// particular, when such a thread wakes, it goes before one that asked for longer turns; of two that
// asked for the same, the one that has the processor may keep it until the clock ticks, 4 ms later
// where that is 250 times a second.
//
//   begin, by the thread itself ---> short <--shorten-- usual
//                                    short --lengthen-> usual     any one other thread, until end
//
// 1. Priority and policy stay what they are. A thread whose policy knows no turns of that kind is left
//    alone, and so is every thread where the system does not know or refuses the wish: where it is not
//    known, turns are said to be of length 0.
// 2. Threads and processes that the thread starts begin with usual turns, unless it was given a priority
//    above the usual one: the flag that says so would take that from them as well.
// 3. lengthen() and shorten() may come when the thread has just ended: there is no such thread, then.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/reactor/clock.hpp>

#include <cstdint>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace aloft::inline ALOFT_ABI::detail {

#if defined(__linux__)

/// The kernel's sched_attr as it was first: later ones are longer.
struct scheduling_attributes {
    std::uint32_t size = sizeof(scheduling_attributes);
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t turn = 0; // nanoseconds
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;

    static constexpr std::uint32_t usual_policy = 0;        // SCHED_OTHER
    static constexpr std::uint64_t not_for_children = 0x01; // SCHED_FLAG_RESET_ON_FORK

    [[nodiscard]] bool read(int thread) noexcept {
        return ::syscall(SYS_sched_getattr, thread, this, sizeof *this, 0) == 0;
    }
    void write(int thread) const noexcept { (void)::syscall(SYS_sched_setattr, thread, this, 0); }
};

class time_slice {
public:
    time_slice() = default;
    time_slice(const time_slice&) = delete;
    time_slice& operator=(const time_slice&) = delete;

    /// The thread itself asks for turns of this length, unless it has shorter ones.
    void begin(clock_ns turn) noexcept {
        const auto self = static_cast<int>(::syscall(SYS_gettid));
        scheduling_attributes now;
        if (!now.read(self) || now.policy != scheduling_attributes::usual_policy ||
            now.turn <= static_cast<std::uint64_t>(turn)) {
            return;
        }
        usual_ = now.turn;
        short_ = static_cast<std::uint64_t>(turn);
        set(self, short_);
        // order(time_slice.thread): release; the two lengths
        thread_.store(self, memory_order_release);
    }
    void end() noexcept { thread_.store(0, memory_order_relaxed); }

    void lengthen() noexcept { set_from_outside(usual_); }
    void shorten() noexcept { set_from_outside(short_); }

private:
    /// `turn` is read behind the acquire.
    void set_from_outside(const std::uint64_t& turn) noexcept {
        // order(time_slice.thread): acquire; the two lengths
        if (const int thread = thread_.load(memory_order_acquire); thread != 0) {
            set(thread, turn);
        }
    }

    static void set(int thread, std::uint64_t turn) noexcept {
        scheduling_attributes attributes;
        if (!attributes.read(thread) || attributes.policy != scheduling_attributes::usual_policy) {
            return;
        }
        attributes.turn = turn;
        attributes.flags &= scheduling_attributes::not_for_children;
        if (attributes.nice >= 0) {
            attributes.flags |= scheduling_attributes::not_for_children;
        }
        attributes.write(thread);
    }

    atomic<int> thread_{0};
    std::uint64_t usual_ = 0;
    std::uint64_t short_ = 0;
};

#else

class time_slice {
public:
    void begin(clock_ns) noexcept {}
    void end() noexcept {}
    void lengthen() noexcept {}
    void shorten() noexcept {}
};

#endif

} // namespace aloft::inline ALOFT_ABI::detail

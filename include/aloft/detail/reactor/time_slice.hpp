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
//    known, turns are said to be of length 0. Who changes a thread's priority at the very moment at
//    which another one lengthens its turns may find the old one.
// 2. What is usual is what the first thread had that asked: a thread inherits its turns from the one that
//    starts it, so that later ones may have short ones already. Threads of the library that compute for
//    others, those of the blocking pool, go back to the usual ones. What a task starts itself, threads or
//    processes, inherits short turns, as it does a priority. (The flag that would prevent it forbids the
//    thread to change its policy for ever after.)
// 3. lengthen() and shorten() may come when the thread has just ended: there is no such thread, then. If
//    its number has been given to another one of the same user at that moment, that one's turns change.
// 4. A filter of system calls may end the process for such a call, and nothing tells beforehand. So where
//    there is one, nobody asks, unless the user says so (runtime_options::short_turns).
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/reactor/clock.hpp>

#include <cstdint>

#if defined(__linux__)
#include <linux/seccomp.h>
#include <sys/prctl.h>
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

    static constexpr std::uint32_t usual_policy = 0;   // SCHED_OTHER
    static constexpr std::uint64_t keep_policy = 0x08; // SCHED_FLAG_KEEP_POLICY

    [[nodiscard]] bool read(int thread) noexcept {
        return ::syscall(SYS_sched_getattr, thread, this, sizeof *this, 0) == 0;
    }
    void write(int thread) const noexcept { (void)::syscall(SYS_sched_setattr, thread, this, 0); }
};

/// Of the first thread of this process that asked for short ones; 0: none has.
inline atomic<std::uint64_t> usual_turn{0};

/// Whether system calls may be asked for that a filter could answer by ending the process.
[[nodiscard]] inline bool system_calls_are_free() noexcept {
    return ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER;
}

class time_slice {
public:
    time_slice() = default;
    time_slice(const time_slice&) = delete;
    time_slice& operator=(const time_slice&) = delete;

    /// The thread itself asks for turns of this length, unless the usual ones are shorter.
    void begin(clock_ns turn) noexcept {
        const auto self = static_cast<int>(::syscall(SYS_gettid));
        scheduling_attributes now;
        if (!now.read(self) || now.policy != scheduling_attributes::usual_policy || now.turn == 0) {
            return;
        }
        std::uint64_t usual = 0;
        if (usual_turn.compare_exchange_strong(usual, now.turn, memory_order_relaxed)) {
            usual = now.turn;
        }
        usual_ = usual;
        short_ = (std::min)(usual, static_cast<std::uint64_t>(turn));
        set(self, short_);
        // order(time_slice.thread): release; the two lengths
        thread_.store(self, memory_order_release);
    }
    void end() noexcept { thread_.store(0, memory_order_relaxed); }

    void lengthen() noexcept { set_from_outside(usual_); }
    void shorten() noexcept { set_from_outside(short_); }

    /// The calling thread, which need not have begun, has the usual turns again.
    static void use_usual() noexcept {
        if (const std::uint64_t usual = usual_turn.load(memory_order_relaxed); usual != 0) {
            set(static_cast<int>(::syscall(SYS_gettid)), usual);
        }
    }

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
        if (attributes.read(thread) && attributes.policy == scheduling_attributes::usual_policy &&
            attributes.turn != turn) {
            attributes.turn = turn;
            attributes.flags = scheduling_attributes::keep_policy;
            attributes.write(thread);
        }
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
    static void use_usual() noexcept {}
};

[[nodiscard]] inline bool system_calls_are_free() noexcept {
    return true;
}

#endif

} // namespace aloft::inline ALOFT_ABI::detail

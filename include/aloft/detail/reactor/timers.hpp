// SPDX-License-Identifier: MIT
// The deadlines of sleeping tasks: a hierarchical wheel whose lists go through the sleepers.
// Layer: L2 reactor
//
// Time is counted in ticks of 1024 ns, in digits of 6 bits. A timer is filed under the highest digit
// in which its tick differs from `current_`, in the slot of its own value of that digit. So all
// timers of a lower level are due before all of a higher one, slots of one level are in the order of
// time, and the earliest timer is in the first slot of the lowest level that is not empty. When time
// reaches a slot of a higher level, its timers are filed again, lower down: each timer is touched a
// few times in its life, however many there are.
//
// Life cycle of a timer: idle -> armed (in a slot) -> fired or refused (in the collector's list).
//
// 1. Everything is touched under the lock. Only the owner adds; any worker may collect what is due:
//    one that searches takes what a busy owner has no time for.
// 2. No allocation: adding, removing and firing cannot fail.
// 3. `next` is not later than the earliest deadline for the thread that added, readable without the
//    lock. It may be earlier after a removal; then the next collection corrects it.
// 4. Whoever takes a stoppable timer out sets stop_wanted and then looks at its home; whoever adds it
//    sets home and then looks at stop_wanted: one of the two sees the other. So it is taken out of
//    its slot, or refused, or has fired; it never stays.
// 5. A timer never fires before its deadline. Timers fire in the order of their ticks, those of one
//    tick in the order in which they were added.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/reactor/timer.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace aloft::inline ALOFT_ABI::detail {

class timers {
public:
    /// Owner only. False if the timer is refused: the caller resumes it itself.
    [[nodiscard]] bool add(timer& t) noexcept {
        const std::scoped_lock lock(lock_);
        if (refusing_) {
            t.phase = timer_phase::refused;
            return false;
        }
        if (!t.stoppable) [[likely]] {
            t.home.store(this, std::memory_order_relaxed);
        } else {
            t.home.store(this, std::memory_order_seq_cst); // against stop_wanted: 4
            if (t.stop_wanted.load(std::memory_order_seq_cst)) {
                t.phase = timer_phase::refused;
                return false;
            }
        }
        t.phase = timer_phase::armed;
        file(t);
        if (t.deadline < next_.load(std::memory_order_relaxed)) {
            next_.store(t.deadline, std::memory_order_relaxed);
        }
        return true;
    }

    /// Any thread. True if it was taken out; false if it has fired.
    [[nodiscard]] bool remove(timer& t) noexcept {
        const std::scoped_lock lock(lock_);
        if (t.phase != timer_phase::armed) {
            return false;
        }
        unlink(t);
        t.phase = timer_phase::idle;
        publish();
        return true;
    }

    /// The same, wherever it is; also false if it is stoppable and has not been added yet: then it will be
    /// refused.
    [[nodiscard]] static bool take_out(timer& t) noexcept {
        t.stop_wanted.store(true, std::memory_order_seq_cst); // against home: 4
        timers* const home = t.home.load(std::memory_order_seq_cst);
        return home != nullptr && home->remove(t);
    }

    /// Any thread: appends at most `most` timers that are due, unless another thread is at it.
    void collect(clock_ns now, work_list& due, std::size_t most = 256) noexcept {
        if (next() > now || !lock_.try_lock()) {
            return;
        }
        const std::scoped_lock lock(std::adopt_lock, lock_);
        const std::uint64_t now_tick = tick_of(now);
        while (levels_ != 0 && most > 0) {
            const std::size_t slot = first_slot();
            const std::uint64_t begin = tick_of_slot(slot);
            if (begin > now_tick) {
                break;
            }
            current_ = (std::max)(current_, begin);
            if (slot >= slots_per_level) {
                file_again(slot);
                continue;
            }
            if (!fire(slot, now, due, most)) {
                break; // the rest of this tick is not due yet
            }
        }
        if (levels_ == 0) {
            current_ = (std::max)(current_, now_tick);
        }
        publish();
    }

    /// Owner only, at shutdown: appends all of them as refused; none is added any more.
    void refuse_all(work_list& refused) noexcept {
        const std::scoped_lock lock(lock_);
        refusing_ = true;
        while (levels_ != 0) {
            take(*heads_[first_slot()], timer_phase::refused, refused);
        }
        publish();
    }

    /// The earliest deadline, or no_deadline.
    [[nodiscard]] clock_ns next() const noexcept { return next_.load(std::memory_order_relaxed); }

    [[nodiscard]] bool empty() const noexcept { return next() == no_deadline; }

private:
    static constexpr unsigned tick_bits = 10;
    static constexpr unsigned digit_bits = 6;
    static constexpr std::size_t slots_per_level = std::size_t{1} << digit_bits;
    static constexpr std::size_t level_count = (63 - tick_bits + digit_bits - 1) / digit_bits;

    [[nodiscard]] static std::uint64_t tick_of(clock_ns time) noexcept {
        return static_cast<std::uint64_t>(std::max<clock_ns>(time, 0)) >> tick_bits;
    }

    [[nodiscard]] std::size_t first_slot() const noexcept {
        const auto level = static_cast<std::size_t>(std::countr_zero(levels_));
        return level * slots_per_level + static_cast<std::size_t>(std::countr_zero(used_[level]));
    }

    /// The first tick of a slot: current_ with the slot's digit, and zeros below it.
    [[nodiscard]] std::uint64_t tick_of_slot(std::size_t slot) const noexcept {
        const unsigned shift = static_cast<unsigned>(slot / slots_per_level) * digit_bits;
        const std::uint64_t above = current_ >> shift >> digit_bits << digit_bits;
        return (above | slot % slots_per_level) << shift;
    }

    void file(timer& t) noexcept {
        const std::uint64_t tick = (std::max)(tick_of(t.deadline), current_);
        const std::uint64_t differs = tick ^ current_;
        const std::size_t level =
            differs == 0 ? 0 : static_cast<std::size_t>(std::bit_width(differs) - 1) / digit_bits;
        const std::size_t digit = (tick >> (level * digit_bits)) % slots_per_level;
        const std::size_t slot = level * slots_per_level + digit;
        t.slot = static_cast<std::uint16_t>(slot);
        timer*& head = heads_[slot];
        if (head == nullptr) {
            head = &t;
            t.next = t.previous = &t;
            earliest_[slot] = t.deadline;
            used_[level] |= std::uint64_t{1} << digit;
            levels_ |= std::uint32_t{1} << level;
            return;
        }
        timer& last = *head->previous;
        last.next = &t;
        t.previous = &last;
        t.next = head;
        head->previous = &t;
        earliest_[slot] = (std::min)(earliest_[slot], t.deadline);
    }

    void unlink(timer& t) noexcept {
        timer*& head = heads_[t.slot];
        timer* const after = static_cast<timer*>(t.next);
        if (after == &t) {
            empty_slot(t.slot);
        } else {
            t.previous->next = after;
            after->previous = t.previous;
            if (head == &t) {
                head = after;
            }
        }
        t.next = t.previous = nullptr;
    }

    void empty_slot(std::size_t slot) noexcept {
        const std::size_t level = slot / slots_per_level;
        heads_[slot] = nullptr;
        used_[level] &= ~(std::uint64_t{1} << slot % slots_per_level);
        if (used_[level] == 0) {
            levels_ &= ~(std::uint32_t{1} << level);
        }
    }

    void take(timer& t, timer_phase phase, work_list& list) noexcept {
        unlink(t);
        t.phase = phase;
        list.push(t);
    }

    /// Time has reached a slot of a higher level.
    void file_again(std::size_t slot) noexcept {
        timer* t = heads_[slot];
        t->previous->next = nullptr;
        empty_slot(slot);
        while (t != nullptr) {
            timer* const after = static_cast<timer*>(t->next);
            file(*t);
            t = after;
        }
    }

    /// Fires what is due in a slot of the lowest level. False: something is left there.
    [[nodiscard]] bool fire(std::size_t slot, clock_ns now, work_list& due,
                            std::size_t& most) noexcept {
        timer* const last = heads_[slot]->previous;
        clock_ns earliest_left = no_deadline;
        for (timer* t = heads_[slot];;) {
            if (most == 0) {
                return false; // earliest_ is not later than what is left
            }
            const bool at_last = t == last;
            timer* const after = static_cast<timer*>(t->next);
            if (t->deadline <= now) {
                --most;
                take(*t, timer_phase::fired, due);
            } else { // within the tick that now is in
                earliest_left = (std::min)(earliest_left, t->deadline);
            }
            if (at_last) {
                break;
            }
            t = after;
        }
        earliest_[slot] = earliest_left;
        return earliest_left == no_deadline;
    }

    void publish() noexcept {
        next_.store(levels_ == 0 ? no_deadline : earliest_[first_slot()],
                    std::memory_order_relaxed);
    }

    spin_lock lock_;
    bool refusing_ = false;
    std::uint32_t levels_ = 0; // a bit per level that is not empty
    std::uint64_t current_ = 0;
    atomic<clock_ns> next_{no_deadline};
    std::array<std::uint64_t, level_count> used_{}; // a bit per slot that is not empty
    std::array<timer*, level_count * slots_per_level> heads_{};
    std::array<clock_ns, level_count * slots_per_level> earliest_{};
};

} // namespace aloft::inline ALOFT_ABI::detail

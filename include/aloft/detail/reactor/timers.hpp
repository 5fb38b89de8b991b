// SPDX-License-Identifier: MIT
// The deadlines of sleeping tasks: a pairing heap that is linked through the sleepers themselves.
// Layer: L2 reactor
//
// Life cycle: idle -> armed (in the heap) -> fired or refused (in the collector's list).
//
// 1. Everything is touched under the lock. Only the owner adds; any worker may collect what is due:
//    one that searches takes what a busy owner has no time for.
// 2. No allocation: adding, removing and firing cannot fail.
// 3. `next` is the earliest deadline, readable without the lock: a hint that is never later than
//    the truth for the thread that added.
// 4. A timer never fires before its deadline.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/reactor/reactor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace aloft::inline ALOFT_ABI::detail {

[[nodiscard]] inline clock_ns now_ns() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

class timers;

enum class timer_phase : std::uint8_t { idle, armed, fired, refused };

struct timer : work_node {
    clock_ns deadline = 0;
    timer* child = nullptr;
    timer* sibling = nullptr;
    timer* before = nullptr; // the previous sibling, or the parent of a first child
    timers* home = nullptr;
    timer_phase phase = timer_phase::idle;
};

class timers {
public:
    /// Owner only. False if the timers are refused: the caller resumes the timer itself.
    [[nodiscard]] bool add(timer& t) noexcept {
        const std::scoped_lock lock(lock_);
        if (refusing_) {
            t.phase = timer_phase::refused;
            return false;
        }
        t.child = t.sibling = t.before = nullptr;
        t.home = this;
        t.phase = timer_phase::armed;
        root_ = root_ == nullptr ? &t : meld(root_, &t);
        publish();
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

    /// Any thread: appends at most `most` timers that are due.
    void collect(clock_ns now, work_list& due, std::size_t most = 256) noexcept {
        if (next() > now) {
            return;
        }
        const std::scoped_lock lock(lock_);
        while (root_ != nullptr && root_->deadline <= now && most-- > 0) {
            take_root(timer_phase::fired, due);
        }
        publish();
    }

    /// Owner only, at shutdown: appends all of them as refused; none is added any more.
    void refuse_all(work_list& refused) noexcept {
        const std::scoped_lock lock(lock_);
        refusing_ = true;
        while (root_ != nullptr) {
            take_root(timer_phase::refused, refused);
        }
        publish();
    }

    /// The earliest deadline, or no_deadline.
    [[nodiscard]] clock_ns next() const noexcept { return next_.load(std::memory_order_relaxed); }

    [[nodiscard]] bool empty() const noexcept { return next() == no_deadline; }

private:
    void publish() noexcept {
        next_.store(root_ == nullptr ? no_deadline : root_->deadline, std::memory_order_relaxed);
    }

    void take_root(timer_phase phase, work_list& list) noexcept {
        timer& first = *root_;
        root_ = merge_pairs(first.child);
        first.child = nullptr;
        first.phase = phase;
        list.push(first);
    }

    /// Makes the later of two roots the first child of the earlier one.
    [[nodiscard]] static timer* meld(timer* a, timer* b) noexcept {
        if (b->deadline < a->deadline) {
            timer* const swapped = a;
            a = b;
            b = swapped;
        }
        b->before = a;
        b->sibling = a->child;
        if (a->child != nullptr) {
            a->child->before = b;
        }
        a->child = b;
        return a;
    }

    /// Melds a list of siblings in pairs, left to right, then the pairs, right to left.
    [[nodiscard]] static timer* merge_pairs(timer* first) noexcept {
        timer* pairs = nullptr; // linked by `before`
        while (first != nullptr) {
            timer* const a = first;
            timer* const b = a->sibling;
            first = b == nullptr ? nullptr : b->sibling;
            a->sibling = nullptr;
            a->before = nullptr;
            timer* merged = a;
            if (b != nullptr) {
                b->sibling = nullptr;
                b->before = nullptr;
                merged = meld(a, b);
            }
            merged->before = pairs;
            pairs = merged;
        }
        timer* root = nullptr;
        while (pairs != nullptr) {
            timer* const rest = pairs->before;
            pairs->before = nullptr;
            root = root == nullptr ? pairs : meld(root, pairs);
            pairs = rest;
        }
        return root;
    }

    void unlink(timer& t) noexcept {
        timer* const orphans = merge_pairs(t.child);
        t.child = nullptr;
        if (&t == root_) {
            root_ = orphans;
            return;
        }
        if (t.before->child == &t) {
            t.before->child = t.sibling;
        } else {
            t.before->sibling = t.sibling;
        }
        if (t.sibling != nullptr) {
            t.sibling->before = t.before;
        }
        t.sibling = t.before = nullptr;
        if (orphans != nullptr) {
            root_ = meld(root_, orphans);
        }
    }

    spin_lock lock_;
    timer* root_ = nullptr;
    bool refusing_ = false;
    atomic<clock_ns> next_{no_deadline};
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// A completion queue between its owner, who parks, and others, who take answers, wake the owner, or want
// its lock; and an operation between its completion and its cancellation.
//
// Real: spin_lock, cancel_list, operation. Transcribed from io_uring.hpp, in its order of accesses:
// wait_and_reap, guest_lock, try_reap, reap, take_answer, finish. The kernel is a queue whose entries are
// posted in one step, which is what its own lock does.
#pragma once

#include <aloft/detail/base/back_off.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/reactor/cancel_list.hpp>
#include <aloft/detail/reactor/operation.hpp>

#include "explorer.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <vector>

namespace model {

struct reaping_rules {
    bool with_lock = true;      // who reaps holds the reap lock
    bool notes_wake_ups = true; // whoever takes a wake-up entry says so
};

/// What the kernel posts.
enum class answer : int { own, cancellation, wake_up };

class completion_queue {
public:
    void post(answer what) {
        const std::size_t at = tail_.fetch_add(1); // nothing comes between this and the next line
        entries_[at] = what;
    }
    [[nodiscard]] bool has_answers() const {
        return head_.load(std::memory_order_relaxed) != tail_.load(std::memory_order_relaxed);
    }
    void wait() const { tail_.wait(head_.load(std::memory_order_relaxed)); }

    [[nodiscard]] word state() const {
        word hash = 0;
        for (const answer each : entries_) {
            hash = mix(hash, static_cast<word>(each));
        }
        return hash;
    }

    template <class Take>
    void reap(Take&& take) {
        std::size_t head = head_.load(std::memory_order_relaxed);
        for (;;) {
            const std::size_t tail = tail_.load(std::memory_order_acquire);
            if (head == tail) {
                break;
            }
            for (; head != tail; ++head) {
                take(entries_[head]);
            }
            head_.store(head, std::memory_order_release);
        }
    }

private:
    std::array<answer, 8> entries_{};
    aloft::detail::atomic<std::size_t> head_{0};
    aloft::detail::atomic<std::size_t> tail_{0};
};

struct guest_rules {
    bool wakes = true;           // a guest that finds the lock taken wakes the owner
    bool owner_gives_way = true; // the owner does not park while there are guests
    bool adds_with_lock = true;  // what a guest lists it lists before it gives the lock back
};

/// An owner parks with the lock until what a guest lists under it has been sent.
template <guest_rules Rules = guest_rules{}>
class guest_of_parked_owner {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] { // the owner
                    while (!sent_) {
                        explorer::instance().forget(woken_ ? 1 : 0);
                        park();
                    }
                },
                [this] { visit(); },
                [this] { // a worker that searches
                    try_reap();
                }};
    }
    void finished() { check(sent_, "what a guest has listed was not sent"); }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const {
        return mix(queue_.state(), (woken_ ? 2u : 0u) + (sent_ ? 1u : 0u));
    }

private:
    void park() {
        while (const unsigned seen =
                   Rules.owner_gives_way ? guests_.load(std::memory_order_acquire) : 0) {
            aloft::detail::back_off(guests_, seen, 0);
        }
        lock_.lock();
        sent_ = listed_.load(std::memory_order_relaxed);
        if (!sent_ && !queue_.has_answers() && !woken_) {
            queue_.wait();
        }
        reap();
        woken_ = false;
        lock_.unlock();
    }

    void visit() {
        guests_.fetch_add(1, std::memory_order_relaxed);
        if (!lock_.try_lock()) {
            if (Rules.wakes) {
                queue_.post(answer::wake_up);
            }
            lock_.lock();
        }
        if (Rules.adds_with_lock) {
            listed_.store(true, std::memory_order_relaxed);
        }
        lock_.unlock();
        guests_.fetch_sub(1, std::memory_order_relaxed);
        if (!Rules.adds_with_lock) {
            listed_.store(true, std::memory_order_relaxed);
        }
    }

    void try_reap() {
        if (queue_.has_answers() && lock_.try_lock()) {
            reap();
            lock_.unlock();
        }
    }

    void reap() {
        queue_.reap([this](answer) { woken_ = true; });
    }

    completion_queue queue_;
    aloft::detail::spin_lock lock_;
    aloft::detail::atomic<unsigned> guests_{0};
    aloft::detail::atomic<bool> listed_{false};
    bool woken_ = false;
    bool sent_ = false;
};

/// The owner parks once; it must come back, because somebody wakes it, and its operation finishes.
template <reaping_rules Rules = reaping_rules{}>
class stolen_answers {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] { park(); }, // the owner
                [this] {            // the kernel, on behalf of a device and of a waker
                    queue_.post(answer::own);
                    queue_.post(answer::wake_up);
                },
                [this] { // a worker that searches
                    try_reap();
                    try_reap();
                }};
    }
    void finished() {
        queue_.reap([this](answer what) { take(what); });
        check(own_answers_ == 1, "an answer was taken twice, or lost");
    }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const {
        return mix(queue_.state(), (woken_ ? 8u : 0u) + static_cast<word>(own_answers_));
    }

private:
    void park() {
        lock_.lock();
        if (!queue_.has_answers() && !woken_) {
            queue_.wait();
        }
        queue_.reap([this](answer what) { take(what); });
        woken_ = false;
        lock_.unlock();
    }

    void try_reap() {
        if (!queue_.has_answers()) {
            return;
        }
        if (Rules.with_lock && !lock_.try_lock()) {
            return;
        }
        queue_.reap([this](answer what) { take(what); });
        if (Rules.with_lock) {
            lock_.unlock();
        }
    }

    void take(answer what) {
        if (what == answer::own) {
            ++own_answers_;
        } else if (Rules.notes_wake_ups) {
            woken_ = true;
        }
    }

    completion_queue queue_;
    aloft::detail::spin_lock lock_;
    bool woken_ = false;
    int own_answers_ = 0;
};

struct ending_rules {
    bool stoppable = true;          // it is cancelled by a stop request; otherwise it is abandoned
    bool abandons_with_lock = true; // who abandons it passes the reap lock
};

/// One operation completes while somebody cancels or abandons it and two threads look after the queue.
template <ending_rules Rules = ending_rules{}>
class cancel_and_complete {
    using operation = aloft::detail::operation;
    using phase = aloft::detail::operation_phase;

public:
    cancel_and_complete() {
        operation_.phase.store(phase::in_flight);
        operation_.answers = aloft::detail::answer_bit::own;
        operation_.stoppable = Rules.stoppable;
    }

    std::vector<std::function<void()>> threads() {
        return {[this] { queue_.post(answer::own); }, // the device
                [this] { Rules.stoppable ? (void)cancels_.add(operation_) : abandon(); },
                [this] { // the owner: sends what is listed, reaps, and again
                    send();
                    reap();
                    send();
                    reap();
                },
                [this] { reap(); }}; // another worker
    }
    void finished() {
        send();
        reap();
        check(finished_ == 1, "the operation did not finish exactly once");
        check(cancels_.empty(), "a finished operation is still listed");
        check(released_ == abandoned_, "an operation was abandoned and handed on, or neither");
    }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const {
        return mix(mix(queue_.state(), operation_.answers),
                   static_cast<word>(kernel_knows_ * 32 + finished_ * 4 + (abandoned_ ? 2 : 0) +
                                     (released_ ? 1 : 0)));
    }

private:
    void abandon() {
        operation_.abandoned.store(true, std::memory_order_seq_cst);
        if (Rules.abandons_with_lock) {
            lock_.lock();
        }
        abandoned_ = operation_.phase.load(std::memory_order_seq_cst) != phase::finished;
        if (abandoned_) { // else the program ends with a sentence
            (void)cancels_.add(operation_);
        }
        if (Rules.abandons_with_lock) {
            lock_.unlock();
        }
    }

    void send() {
        if (cancels_.empty()) {
            return;
        }
        bool sent = false;
        cancels_.send_all([&](operation&) {
            ++kernel_knows_;
            sent = true;
            return true;
        });
        if (sent) { // the kernel looks the operation up, and answers
            check(finished_ == 0, "the kernel was given the address of a finished operation");
            queue_.post(answer::cancellation);
        }
    }

    void reap() {
        if (!lock_.try_lock()) {
            return;
        }
        queue_.reap([this](answer what) {
            if (what == answer::own) {
                operation_.answers = 0;
            } else {
                --kernel_knows_;
                aloft::detail::cancel_list::answered(operation_);
            }
            if (operation_.answers == 0 && cancels_.finish(operation_)) {
                check(kernel_knows_ == 0, "finished while the kernel still knows its address");
                ++finished_;
                released_ = operation_.abandoned.load(std::memory_order_seq_cst);
                if (released_) {
                    operation_.phase.store(phase::released, std::memory_order_release);
                }
            }
        });
        lock_.unlock();
    }

    completion_queue queue_;
    aloft::detail::spin_lock lock_;
    aloft::detail::cancel_list cancels_;
    operation operation_;
    int kernel_knows_ = 0;
    int finished_ = 0;
    bool abandoned_ = false;
    bool released_ = false;
};

} // namespace model

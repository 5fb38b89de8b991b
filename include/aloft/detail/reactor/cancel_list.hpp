// SPDX-License-Identifier: MIT
// The operations that shall end early, from the request until the kernel has answered it.
// Layer: L2 reactor
//
// The part of an operation's phases (operation.hpp) that cancelling adds, without any system call:
//
//   in_flight     --add--------> cancel_listed   any thread
//   cancel_listed --send_all---> cancel_sent     whoever hands cancellations to the kernel
//   cancel_sent   --answered---> in_flight       holder of the reap lock
//   in_flight     --finish-----> finished        holder of the reap lock
//   cancel_listed --finish-----> finished        the same; unlinked here
//
// 1. The list, next_cancel, and the transitions in and out of cancel_listed belong to the holder of
//    the lock. in_flight -> cancel_listed and in_flight -> finished are compare-exchanges on the
//    same word: one of them wins.
// 2. An operation in cancel_sent does not finish: finish() says so, and the cancellation's answer
//    brings the reaper there again. So when it is finished, the kernel holds no reference to its
//    address any more, and a late cancellation cannot hit another operation at the same place.
// 3. A cancellation is not lost: it stays listed until it is sent, or the operation finishes.
// 4. An operation that is not stoppable is cancelled only by who abandons it, which marks it before, and
//    lists it under the reap lock, if it is not finished. So who finishes one under that lock, and finds it
//    neither stoppable nor marked, need not ask for the phase: nobody has listed it, nor will.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/reactor/operation.hpp>

#include <atomic>

namespace aloft::inline ALOFT_ABI::detail {

class cancel_list {
public:
    /// Any thread, for one that is stoppable or abandoned. True: it was listed just now, and somebody has to
    /// be told.
    [[nodiscard]] bool add(operation& op) noexcept {
        const spin_guard guard(lock_);
        operation_phase expected = operation_phase::in_flight;
        if (!op.phase.compare_exchange_strong(expected, operation_phase::cancel_listed,
                                              std::memory_order_relaxed)) {
            return false; // finished, or asked for already
        }
        op.next_cancel = first_.load(std::memory_order_relaxed);
        first_.store(&op, std::memory_order_relaxed);
        return true;
    }

    /// Holder of the reap lock: lists an unfinished one behind the others.
    void add_last(operation& op) noexcept {
        const spin_guard guard(lock_);
        operation_phase expected = operation_phase::in_flight;
        if (!op.phase.compare_exchange_strong(expected, operation_phase::cancel_listed,
                                              std::memory_order_relaxed)) {
            return; // somebody has listed it
        }
        op.next_cancel = nullptr;
        operation* last = first_.load(std::memory_order_relaxed);
        if (last == nullptr) {
            first_.store(&op, std::memory_order_relaxed);
            return;
        }
        while (last->next_cancel != nullptr) {
            last = last->next_cancel;
        }
        last->next_cancel = &op;
    }

    /// A hint for whoever does not hold the lock.
    [[nodiscard]] bool empty() const noexcept {
        return first_.load(std::memory_order_relaxed) == nullptr;
    }

    /// Calls send(op) for each one listed, until it returns false.
    template <class Send>
    void send_all(Send&& send) noexcept {
        const spin_guard guard(lock_);
        while (operation* const op = first_.load(std::memory_order_relaxed)) {
            operation* const next = op->next_cancel; // the operation may go once it is sent
            op->phase.store(operation_phase::cancel_sent, std::memory_order_relaxed);
            if (!send(*op)) {
                op->phase.store(operation_phase::cancel_listed, std::memory_order_relaxed);
                return;
            }
            first_.store(next, std::memory_order_relaxed);
        }
    }

    /// Takes out one that the caller sends; nullptr if there is none.
    [[nodiscard]] operation* take_to_send() noexcept {
        operation* taken = nullptr;
        send_all([&taken](operation& op) {
            if (taken != nullptr) {
                return false;
            }
            taken = &op;
            return true;
        });
        return taken;
    }

    /// Holder of the reap lock: the kernel has answered the cancellation.
    static void answered(operation& op) noexcept {
        // order(operation.phase): release; whoever asks it to stop finds its home
        op.phase.store(operation_phase::in_flight, std::memory_order_release);
    }

    /// Holder of the reap lock, when all of the operation's own answers are there. False: the
    /// cancellation's answer is still owed.
    [[nodiscard]] bool finish(operation& op) noexcept {
        if (!op.stoppable && !op.abandoned.load(std::memory_order_relaxed)) [[likely]] {
            op.phase.store(operation_phase::finished, std::memory_order_relaxed); // see 4
            return true;
        }
        operation_phase expected = operation_phase::in_flight;
        // relaxed: against add() on the same word, see 1
        if (op.phase.compare_exchange_strong(expected, operation_phase::finished,
                                             std::memory_order_relaxed)) [[likely]] {
            return true;
        }
        const spin_guard guard(lock_);
        if (op.phase.load(std::memory_order_relaxed) == operation_phase::cancel_sent) {
            return false;
        }
        unlist(op);
        op.phase.store(operation_phase::finished, std::memory_order_relaxed);
        return true;
    }

private:
    void unlist(operation& op) noexcept {
        operation* at = first_.load(std::memory_order_relaxed);
        if (at == &op) {
            first_.store(op.next_cancel, std::memory_order_relaxed);
            return;
        }
        for (; at != nullptr; at = at->next_cancel) {
            if (at->next_cancel == &op) {
                at->next_cancel = op.next_cancel;
                return;
            }
        }
    }

    spin_lock lock_;
    atomic<operation*> first_{nullptr};
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// The reactor on io_uring: a ring per worker, whose finished entries any worker may collect.
// Layer: L2 reactor
//
// The ring is set up with COOP_TASKRUN: an answer becomes visible when the thread that submitted the
// operation passes through the kernel. Whoever holds the reap lock consumes the completion queue.
//
// Who may touch what:
// 1. The submission queue's entries and tail, backlog_, deferred_, refusing_: the owner. What is
//    published in the queue anybody may hand to the kernel (io_uring_ring.hpp, 3).
// 2. Completion queue head, operations' `answers`, finished_, woken_: the holder of reap_lock_. The
//    owner holds it while it is parked, so an answer that ends its wait is not consumed by somebody
//    else.
// 3. Cancellations: cancel_list.hpp. Who needs reap_lock_ on another thread than the owner's counts itself
//    in guests_ and wakes the owner, who does not take it again to park before they are through; between
//    them the lock orders. abandoners_ counts who may still touch the reactor when nothing is in flight.
// 4. wake_fd_ is written by anyone and never read: a multishot poll posts an entry per write.
//
// No wake-up is lost: wake() writes the event counter, and the poll posts an entry. If the owner is
// in the kernel, its wait returns. If it is on its way there, the wait returns at once, unless the
// entry was reaped before; then whoever reaped it has set woken_ under the reap lock, which the
// owner reads under that lock, and does not wait. If the poll is not armed (its last entry came
// without F_MORE), the owner arms it before it waits, and arming a poll on a non-zero counter posts
// at once. A cancellation that is listed after the owner looked at cancels_ is followed by wake().
//
// No operation is lost: what does not fit into the submission queue waits in backlog_, and a
// cancellation that does not fit stays listed; both are retried before every submission, and a
// parked or idle owner submits in every round. Completion-queue overflow is kept by the kernel
// (NODROP) and flushed by the next entry.
//
// An owner that does not come back: help() hands its published entries to the kernel, has listed
// cancellations carried out by a system call of its own, and reaps. Only backlog_, which is filled
// when the kernel has refused entries, waits for the owner.
#pragma once

#include <aloft/detail/base/back_off.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/sanitizer.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/reactor/cancel_list.hpp>
#include <aloft/detail/reactor/io_uring_prepare.hpp>
#include <aloft/detail/reactor/io_uring_ring.hpp>
#include <aloft/detail/reactor/operation_end.hpp>
#include <aloft/detail/reactor/reactor.hpp>
#include <aloft/detail/reactor/timers.hpp>

#include <linux/time_types.h>
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>

namespace aloft::inline ALOFT_ABI::detail {

class io_uring_reactor;

constinit inline thread_local io_uring_reactor* thread_reactor_slot = nullptr;

/// The reactor that this thread owns, or nullptr.
ALOFT_NOINLINE inline io_uring_reactor* thread_reactor() noexcept {
    return thread_reactor_slot;
}
ALOFT_NOINLINE inline void set_thread_reactor(io_uring_reactor* own) noexcept {
    thread_reactor_slot = own;
}

class io_uring_reactor final : public reactor {
public:
    ALOFT_COLD explicit io_uring_reactor(unsigned entries) : ring_(entries) {
        wake_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (wake_fd_ < 0) {
            throw_errno(errno, "eventfd");
        }
    }
    io_uring_reactor(const io_uring_reactor&) = delete;
    io_uring_reactor& operator=(const io_uring_reactor&) = delete;
    ALOFT_COLD ~io_uring_reactor() override {
        if (thread_reactor() == this) {
            set_thread_reactor(nullptr);
        }
        wait_for_none(abandoners_);
        ::close(wake_fd_);
    }

    [[nodiscard]] unsigned entries() const noexcept { return ring_.entries(); }

    void trial_read() { ring_.trial_read(); }

    void submit(operation& op) noexcept override {
        op.home = this;
        if (refusing_) [[unlikely]] {
            refuse(op);
            return;
        }
        submitted_.store(submitted_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        op.answers = op.limit == nullptr ? answer_bit::own : answer_bit::own | answer_bit::timeout;
        if (!op.stoppable) [[likely]] {
            op.phase.store(operation_phase::in_flight, std::memory_order_relaxed);
        } else {
            // seq_cst: the phase against `stop_wanted`, see operation.hpp, 7
            op.phase.store(operation_phase::in_flight, std::memory_order_seq_cst);
            if (op.stop_wanted.load(std::memory_order_seq_cst)) {
                end_before_the_kernel(op);
                return;
            }
        }
        if (!backlog_.empty() || !enqueue(op)) [[unlikely]] {
            backlog_.push(op);
        }
    }

    /// Here, and so without a second virtual call.
    [[nodiscard]] bool submit_or_end(operation& op) noexcept override {
        submit(op);
        return false;
    }

    void cancel(operation& op) noexcept override {
        if (cancels_.add(op)) {
            wake();
        }
    }

    void abandon(operation& op) noexcept override {
        abandoners_.fetch_add(1, std::memory_order_relaxed);
        mark_abandoned(op);
        {
            const guest_lock guest(*this);
            expect_unfinished(op);
            (void)cancels_.add(op); // the owner finds it before it parks again
        }
        while (!has_been_released(op)) {
            // Serves the ring of this thread meanwhile: it may be the operation's own, or another
            // thread may wait in the same way for an operation of this one.
            if (io_uring_reactor* const own = thread_reactor()) {
                own->wait_and_reap(own->deferred_, now_ns() + 1'000'000);
            } else {
                std::this_thread::yield();
            }
            cancel(op); // the kernel may have answered that it could not, yet; else no effect
        }
        // order(io_uring.abandoners): release; the last touch of the reactor
        abandoners_.fetch_sub(1, std::memory_order_release);
    }

    void collect(work_list& finished) noexcept override {
        finished.append(std::move(deferred_));
        if (ring_.calls_for_entry()) {
            ring_.enter();
        }
        try_reap(finished);
    }

    void poll(work_list& finished, clock_ns deadline) noexcept override {
        if (!owned_) [[unlikely]] {
            owned_ = true;
            set_thread_reactor(this);
            ring_.register_owner();
        }
        finished.append(std::move(deferred_));
        if (deadline != 0 && finished.empty()) {
            wait_and_reap(finished, deadline);
            return;
        }
        submit_waiting();
        if (ring_.unsubmitted() > 0 || ring_.calls_for_entry()) {
            ring_.enter();
        }
        try_reap(finished);
    }

    [[nodiscard]] bool joins_batch(bool others_follow) const noexcept override {
        return others_follow || ring_.unsubmitted() > 0;
    }

    void try_reap(work_list& finished) noexcept override {
        if (has_answers() && reap_lock_.try_lock()) {
            const std::scoped_lock lock(std::adopt_lock, reap_lock_);
            reap(finished);
        }
    }

    void help(work_list& finished) noexcept override {
        if (ring_.unsubmitted() > 0) {
            ring_.enter_as_guest();
        }
        cancel_as_guest(finished);
        try_reap(finished);
    }

    void wake() noexcept override {
        const std::uint64_t one = 1;
        ssize_t written = 0;
        do {
            written = ::write(wake_fd_, &one, sizeof one);
        } while (written < 0 && errno == EINTR);
        // EAGAIN would mean that 2^64 wake-ups were not read: the poll is ready anyway
    }

    ALOFT_COLD void refuse_all() noexcept override {
        refusing_ = true;
        if (!backlog_.empty()) {
            const std::scoped_lock lock(reap_lock_);
            while (work_node* const node = backlog_.pop()) {
                cancel_here(static_cast<operation&>(*node));
            }
        }
        if (in_flight() > 0 && make_room(1)) {
            io_uring_sqe& sqe = ring_.next_entry();
            io_uring_prep_cancel64(&sqe, 0, IORING_ASYNC_CANCEL_ANY); // the wake-up poll, too
            io_uring_sqe_set_data64(&sqe, tag_internal);
            ring_.publish();
        }
    }

    [[nodiscard]] std::size_t in_flight() const noexcept override {
        // In this order: what another thread sees is never less than none.
        const std::size_t done = finished_.load(std::memory_order_relaxed);
        return submitted_.load(std::memory_order_relaxed) - done;
    }

private:
    /// A hint to others than the holder of the reap lock.
    [[nodiscard]] bool has_answers() const noexcept {
        const io_uring_cq& queue = ring_.get().cq;
        return std::atomic_ref<unsigned>(*queue.khead).load(std::memory_order_relaxed) !=
               std::atomic_ref<unsigned>(*queue.ktail).load(std::memory_order_relaxed);
    }

    // Operations are aligned to 8 bytes at least: the low bits say which answer it is.
    static constexpr std::uint64_t tag_own = 0;
    static constexpr std::uint64_t tag_cancel = 1;
    static constexpr std::uint64_t tag_timeout = 2;
    static constexpr std::uint64_t tag_mask = 7;
    static constexpr std::uint64_t tag_internal = 7; // with a null address
    static constexpr std::uint64_t tag_wake = 6;

    static_assert(offsetof(time_limit, seconds) == offsetof(__kernel_timespec, tv_sec));
    static_assert(offsetof(time_limit, nanoseconds) == offsetof(__kernel_timespec, tv_nsec));

    static void wait_for_none(const atomic<unsigned>& count) noexcept {
        constexpr unsigned rounds_that_yield = 10; // then it sleeps: see back_off.hpp
        // order(io_uring.abandoners): acquire; they have touched the reactor for the last time
        for (unsigned round = 0; const unsigned seen = count.load(std::memory_order_acquire);
             ++round) {
            if (round < rounds_that_yield) {
                std::this_thread::yield();
            } else {
                back_off(count, seen, round - rounds_that_yield);
            }
        }
    }

    /// The reap lock, taken on any thread, whoever is parked with it.
    class guest_lock {
    public:
        explicit guest_lock(io_uring_reactor& home) noexcept : home_(home) {
            home_.guests_.fetch_add(1, std::memory_order_relaxed); // before the wake-up
            if (!home_.reap_lock_.try_lock()) {
                home_.wake(); // once: it does not park again before guests_ is 0
                home_.reap_lock_.lock();
            }
        }
        guest_lock(const guest_lock&) = delete;
        guest_lock& operator=(const guest_lock&) = delete;
        ~guest_lock() {
            home_.reap_lock_.unlock();
            home_.guests_.fetch_sub(1, std::memory_order_relaxed);
        }

    private:
        io_uring_reactor& home_;
    };

    /// Any thread. What the kernel does not know is about to complete, or its owner is just handing
    /// it over, or it waits in the backlog: it stays listed.
    void cancel_as_guest(work_list& finished) noexcept {
        const operation* first_left = nullptr;
        while (can_cancel_now_.load(std::memory_order_relaxed)) {
            operation* const op = cancels_.take_to_send();
            if (op == nullptr) {
                return;
            }
            const bool again = op == first_left;
            const cancel_answer answer =
                again ? cancel_answer::not_there : ring_.cancel_now(address_of(*op) | tag_own);
            const guest_lock guest(*this); // the owner may be back, and park
            cancel_list::answered(*op);
            if (op->answers == 0) { // its own answer came meanwhile
                finish(*op, finished);
            } else if (answer == cancel_answer::not_possible) {
                can_cancel_now_.store(false, std::memory_order_relaxed); // the owner will do it
                cancels_.add_last(*op);
            } else if (answer == cancel_answer::not_there) {
                cancels_.add_last(*op);
                first_left = first_left == nullptr ? op : first_left;
            }
            if (again) {
                return;
            }
        }
    }

    /// False: the queue is full, and the kernel takes nothing.
    [[nodiscard]] bool make_room(unsigned entries) noexcept {
        if (!ring_.has_room(entries)) [[unlikely]] {
            ring_.enter();
        }
        return ring_.has_room(entries);
    }

    /// Writes the entries of an operation; false if there is no room.
    [[nodiscard]] bool enqueue(operation& op) noexcept {
        if (!make_room(op.limit == nullptr ? 1 : 2)) [[unlikely]] {
            return false;
        }
        io_uring_sqe& sqe = ring_.next_entry();
        prepare(&sqe, op);
        io_uring_sqe_set_data64(&sqe, address_of(op) | tag_own);
        if (op.limit != nullptr) {
            io_uring_sqe_set_flags(&sqe, IOSQE_IO_LINK);
            io_uring_sqe& limit = ring_.next_entry();
            __kernel_timespec* const time = reinterpret_cast<__kernel_timespec*>(
                const_cast<time_limit*>(op.limit)); // begins like it; only read
            io_uring_prep_link_timeout(&limit, time, 0);
            io_uring_sqe_set_data64(&limit, address_of(op) | tag_timeout);
        }
        kernel_release(&op);
        ring_.publish(); // PUBLISHED
        return true;
    }

    /// What has been waiting for room: the wake-up poll, the backlog, cancellations; in this order,
    /// so that a cancellation reaches the kernel after what it is to cancel.
    void submit_waiting() noexcept {
        if (rearm_wake_.load(std::memory_order_relaxed) && make_room(1)) [[unlikely]] {
            rearm_wake_.store(false, std::memory_order_relaxed);
            io_uring_sqe& sqe = ring_.next_entry();
            io_uring_prep_poll_multishot(&sqe, wake_fd_, POLLIN);
            io_uring_sqe_set_data64(&sqe, tag_wake);
            ring_.publish();
        }
        while (!backlog_.empty()) {
            work_node* const node = backlog_.pop();
            if (!enqueue(static_cast<operation&>(*node))) {
                backlog_.push(*node); // order among waiting operations does not matter
                return;
            }
        }
        if (!cancels_.empty()) [[unlikely]] {
            cancels_.send_all([this](operation& op) {
                if (!make_room(1)) {
                    return false;
                }
                io_uring_sqe& sqe = ring_.next_entry();
                io_uring_prep_cancel64(&sqe, address_of(op) | tag_own, 0);
                io_uring_sqe_set_data64(&sqe, address_of(op) | tag_cancel);
                kernel_release(&op); // who reaps the answer may be another thread
                ring_.publish();
                return true;
            });
        }
    }

    void wait_and_reap(work_list& finished, clock_ns deadline) noexcept {
        wait_for_none(guests_);
        const std::scoped_lock lock(reap_lock_);
        submit_waiting();
        if (has_answers() || woken_ || something_waits()) {
            ring_.enter();
        } else {
            __kernel_timespec time{};
            bool limited = false;
            if (deadline != no_deadline) {
                const clock_ns left = std::max<clock_ns>(deadline - now_ns(), 0);
                time.tv_sec = left / 1'000'000'000;
                time.tv_nsec = left % 1'000'000'000;
                limited = true;
            }
            ring_.enter_and_wait(limited ? &time : nullptr);
        }
        reap(finished);
        woken_ = false;
    }

    /// Whether submit_waiting had to leave something behind; then the owner comes back at once.
    [[nodiscard]] bool something_waits() const noexcept {
        return !backlog_.empty() || rearm_wake_.load(std::memory_order_relaxed) ||
               !cancels_.empty();
    }

    /// Holder of the reap lock.
    void reap(work_list& finished) noexcept {
        io_uring_cq& queue = ring_.get().cq;
        unsigned head = *queue.khead;
        for (;;) {
            // acquire: the other end is the kernel, which releases the tail behind its entries
            const unsigned tail =
                std::atomic_ref<unsigned>(*queue.ktail).load(std::memory_order_acquire);
            if (head == tail) {
                break;
            }
            for (; head != tail; ++head) {
                const io_uring_cqe& entry = queue.cqes[head & queue.ring_mask];
                take_answer(entry.user_data, entry.res, entry.flags, finished);
            }
            // release: the other end is the kernel, which acquires the head and reuses the entries
            std::atomic_ref<unsigned>(*queue.khead).store(head, std::memory_order_release);
        }
    }

    void take_answer(std::uint64_t tagged, std::int32_t value, std::uint32_t flags,
                     work_list& finished) noexcept {
        if (tagged <= tag_mask) {
            if (tagged == tag_wake) {
                woken_ = true;
                if ((flags & IORING_CQE_F_MORE) == 0) {
                    rearm_wake_.store(true, std::memory_order_relaxed);
                }
            }
            return;
        }
        operation& op = *reinterpret_cast<operation*>(tagged & ~tag_mask);
        kernel_acquire(&op);
        switch (tagged & tag_mask) {
        case tag_own:
            op.result = value;
            op.answers = static_cast<std::uint8_t>(op.answers & ~answer_bit::own);
            break;
        case tag_timeout:
            op.timed_out = value == -ETIME;
            op.answers = static_cast<std::uint8_t>(op.answers & ~answer_bit::timeout);
            break;
        default: // the answer of a cancellation; the operation's own says what became of it
            cancel_list::answered(op);
            break;
        }
        if (op.answers == 0) {
            finish(op, finished);
        }
    }

    /// All of the operation's own answers are there; only a cancellation's may be owed.
    void finish(operation& op, work_list& finished) noexcept {
        if (!cancels_.finish(op)) {
            return; // the cancellation's answer brings us here again
        }
        finished_.store(finished_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        push_or_release(op, finished);
    }

    /// Holder of the reap lock: one that the kernel has not seen, and will not.
    void cancel_here(operation& op) noexcept {
        op.result = -ECANCELED;
        op.answers = 0;
        finish(op, deferred_);
    }

    ALOFT_NOINLINE void end_before_the_kernel(operation& op) noexcept {
        const std::scoped_lock lock(reap_lock_);
        cancel_here(op);
    }

    void refuse(operation& op) noexcept {
        op.result = -ECANCELED;
        op.phase.store(operation_phase::finished, std::memory_order_relaxed);
        deferred_.push(op);
    }

    [[nodiscard]] static std::uint64_t address_of(operation& op) noexcept {
        return reinterpret_cast<std::uintptr_t>(&op);
    }

    io_uring_ring ring_;
    int wake_fd_ = -1;
    bool owned_ = false;
    bool woken_ = false;
    bool refusing_ = false;
    work_list backlog_;
    work_list deferred_;
    atomic<bool> rearm_wake_{true};
    atomic<bool> can_cancel_now_{true};
    atomic<unsigned> guests_{0};
    atomic<unsigned> abandoners_{
        0}; // who may still touch the reactor although nothing is in flight
    atomic<std::size_t> submitted_{0};
    atomic<std::size_t> finished_{0};
    cancel_list cancels_;
    spin_lock reap_lock_;
};

} // namespace aloft::inline ALOFT_ABI::detail

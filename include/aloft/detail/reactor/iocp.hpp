// SPDX-License-Identifier: MIT
// The reactor on a completion port of Windows, which all reactors of a runtime share.
// Layer: L2 reactor
//
// Any free thread takes what a busy worker holds, by construction, and there is nothing to steal:
// a. submit() makes the system call itself. No submission is kept back in a batch, so none waits for a
//    worker that computes. What has no overlapped form (opening, closing, flushing) goes to helper
//    threads, which run no tasks.
// b. Every answer, the kernel's and the helpers', is a packet in one queue, which is no worker's. All
//    workers that park wait at that queue, and those that search look into it: whoever is free takes the
//    packet and resumes its task, whoever has started the operation and however busy that one is. The
//    port lets any number of threads run (iocp_port.hpp, 3), so threads that compute do not keep it from
//    handing packets out, and a spare worker that the watcher adds waits at it like the others.
// c. What does not go through the queue is in a done_ list: refused, failed at once, stopped before it
//    began. Others take from there, too (help()), as from a worker's timers and run queues.
// So on Windows no membarrier, no tick and no visit of a watcher makes answers visible.
//
// Where an operation is:
//
//   (submitted) --refused, failed, stopped-> answered   in the home's done_ list
//               --started------------------> in the kernel, in the home's flight list
//               --no overlapped form-------> with a helper, in its queue or in a call
//   in the kernel --packet-----------------> finished   by who takes it, or by the starter
//   with a helper --called, posted---------> finished   by who takes it
//                 --withdrawn--------------> answered
//   answered    --reaped-------------------> finished
//
// `phase` is in_flight from the first of these until it is finished, or released if it is abandoned.
//
// Who may touch what:
// 1. The flight list: flight_list.hpp. done_: answered_list.hpp.
// 2. The kernel's part of the completion record: the kernel, from the call until its packet is taken.
// 3. The packet may be taken before the starting call has returned. start_handoff.hpp decides who of
//    the two goes on; everything is written, and the operation listed, before the call.
// 4. A cancellation goes to the kernel by the record's address and only while the record stays: the
//    awaiter's stop listener, abandon(), or the flight list under its lock holds it. An operation whose
//    packet is under way is not found by the kernel and ends with its own answer; a later operation at
//    the same address cannot be hit, because the earlier one's cancellers have left before.
// 5. `home` is the reactor that it was submitted to; in_flight_ is counted there. A packet of another
//    runtime's operation (a handle stays with the port of the runtime that used it first) is handed
//    to its home.
//
// No wake-up is lost. wake() sets woken_ and, if it was not set, queues a call to the owner's thread.
// The owner publishes its thread, then takes woken_, and only if that was not set waits, alertably:
// if wake() came before, it does not wait; if behind, the queued call ends the wait, at once even if it
// was queued before the wait began. A queued call that the task's own alertable waits ran has left
// woken_ set. Calls that come late end one wait for nothing.
// Whoever puts an answer into an empty done_ wakes the home, except the owner, which looks there
// before it waits. What is put into a done_ that is not empty has somebody's wake-up before it.
// A packet needs no wake-up: it is in the queue before or behind the beginning of the wait.
//
// Time limits of operations (operation::limit) belong to poll(), which is not offered here.
#pragma once

#if defined(_WIN32)

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/lean_memory.hpp>
#include <aloft/detail/reactor/answered_list.hpp>
#include <aloft/detail/reactor/flight_list.hpp>
#include <aloft/detail/reactor/helper_threads.hpp>
#include <aloft/detail/reactor/iocp_calls.hpp>
#include <aloft/detail/reactor/iocp_port.hpp>
#include <aloft/detail/reactor/operation_end.hpp>
#include <aloft/detail/reactor/reactor.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// What the reactors of one runtime share.
struct iocp_set {
    iocp_set(helper_threads::caller call, helper_threads::receiver deliver)
        : port(completion_ports.acquire()), helpers(call, deliver) {}
    iocp_set(const iocp_set&) = delete;
    iocp_set& operator=(const iocp_set&) = delete;
    ~iocp_set() { port_registry::release(port); }

    completion_port& port;
    atomic<bool> refusing{false};
    helper_threads helpers;
};

class iocp_reactor final : public reactor {
public:
    /// Throws std::system_error.
    [[nodiscard]] static std::shared_ptr<iocp_set> make_set() {
        return std::make_shared<iocp_set>(&make_long_call, &deliver);
    }

    explicit iocp_reactor(std::shared_ptr<iocp_set> set) noexcept : set_(std::move(set)) {}
    iocp_reactor(const iocp_reactor&) = delete;
    iocp_reactor& operator=(const iocp_reactor&) = delete;
    ~iocp_reactor() override {
        // order(iocp.guests): acquire; what others do here comes before the end
        while (guests_.load(std::memory_order_acquire) != 0) {
            std::this_thread::yield();
        }
        if (const HANDLE thread = thread_.load(std::memory_order_relaxed)) {
            (void)::CloseHandle(thread);
        }
    }

    void submit(operation& op) noexcept override {
        op.home = this;
        op.completion.self = &op;
        op.completion.handoff.begin();
        in_flight_.fetch_add(1, std::memory_order_relaxed);
        if (set_->refusing.load(std::memory_order_relaxed)) {
            answer_here(op, -canceled_number);
            return;
        }
        if (op.fd < 0 && op.kind != operation_kind::open) {
            answer_here(op, -ERROR_INVALID_HANDLE); // -1 means the process itself to some calls
            return;
        }
        if (is_long_call(op.kind)) {
            call_elsewhere(op);
            return;
        }
        if (op.kind == operation_kind::file_size) {
            answer_here(op, file_size(op));
            return;
        }
        if (transfers_nothing(op)) {
            answer_here(op, 0);
            return;
        }
        if (const std::int32_t error = completion_ports.tie(op.fd, set_->port); error != 0) {
            answer_here(op, error);
            return;
        }
        if (!flight_.add(op)) {
            answer_here(op, -canceled_number);
            return;
        }
        // seq_cst: the phase against `stop_wanted`, see operation.hpp, 7
        op.phase.store(operation_phase::in_flight, std::memory_order_seq_cst);
        if (op.stoppable && op.stop_wanted.load(std::memory_order_seq_cst)) {
            flight_.remove(op);
            answer_here(op, -canceled_number);
            return;
        }
        start(op);
    }

    void cancel(operation& op) noexcept override {
        if (is_long_call(op.kind)) {
            if (set_->helpers.withdraw(op)) {
                answer_withdrawn(op);
            }
        } else if (op.completion.handoff.want_cancel()) {
            cancel_call(op);
        }
    }

    void abandon(operation& op) noexcept override {
        begin_abandoning(op);
        cancel(op);
        while (!has_been_released(op)) {
            if (take_back(op)) {
                return;
            }
            // Perhaps nobody but this thread takes packets now.
            if (!take_packets(0, false, [](operation& each) { give_home(each); })) {
                std::this_thread::sleep_for(std::chrono::microseconds(20));
            }
        }
    }

    void collect(work_list& finished) noexcept override { try_reap(finished); }

    void poll(work_list& finished, clock_ns deadline) noexcept override {
        take_done(finished);
        if (deadline == 0) {
            if (in_flight() > 0) {
                harvest(finished, 0, false);
            }
        } else if (finished.empty()) {
            park(finished, deadline);
        }
    }

    /// Looks at the queue only if nobody has for a while: it costs a system call.
    void try_reap(work_list& finished) noexcept override {
        take_done(finished);
        if (in_flight() > 0 &&
            now_ns() - looked_at_.load(std::memory_order_relaxed) >= look_pause) {
            harvest(finished, 0, false);
        }
    }

    void help(work_list& finished) noexcept override {
        take_done(finished);
        if (in_flight() > 0) {
            harvest(finished, 0, false);
        }
    }

    void wake() noexcept override {
        // order(iocp.woken): seq_cst; woken_ against thread_, see the top
        if (woken_.exchange(true, std::memory_order_seq_cst)) {
            return;
        }
        const HANDLE thread = thread_.load(std::memory_order_seq_cst);
        while (thread != nullptr && ::QueueUserAPC(&nothing, thread, 0) == 0) {
            const DWORD error = ::GetLastError();
            if (error != ERROR_NOT_ENOUGH_MEMORY && error != ERROR_NO_SYSTEM_RESOURCES) {
                return; // the thread has ended
            }
            std::this_thread::yield();
        }
    }

    void refuse_all() noexcept override {
        set_->refusing.store(true, std::memory_order_relaxed);
        flight_.refuse([](operation& each) {
            if (each.completion.handoff.want_cancel()) {
                cancel_call(each);
            }
        });
        work_list withdrawn;
        set_->helpers.withdraw_all(this, withdrawn);
        while (work_node* const node = withdrawn.pop()) {
            answer_withdrawn(static_cast<operation&>(*node));
        }
    }

    [[nodiscard]] std::size_t in_flight() const noexcept override {
        return in_flight_.load(std::memory_order_relaxed);
    }

private:
    static constexpr clock_ns look_pause = 100'000;

    // what a packet's key says
    static constexpr ULONG_PTR from_kernel = 0;
    static constexpr ULONG_PTR from_helper = 1;

    [[nodiscard]] static iocp_reactor& home_of(const operation& op) noexcept {
        return static_cast<iocp_reactor&>(*op.home);
    }

    static void CALLBACK nothing(ULONG_PTR) {}

    // ---- submitting ----

    void start(operation& op) noexcept {
        const std::int32_t started = start_call(op);
        if (started != will_be_answered) {
            flight_.remove(op);
            answer_here(op, without_end_of_file(op, started));
            return;
        }
        // The listener's flag against its cancelling, which may have come before the call.
        if (is_closed_meanwhile(op)) [[unlikely]] {
            (void)op.completion.handoff.want_cancel();
        }
        if (op.completion.handoff.call_returned([&op] { cancel_call(op); })) { // PUBLISHED
            flight_.remove(op);
            answer_here(op, answer_of(op));
        }
    }

    void call_elsewhere(operation& op) noexcept {
        guests_.fetch_add(1, std::memory_order_relaxed);
        bool stopped = false;
        // Behind it the operation belongs to a helper, unless it has not been queued. PUBLISHED
        const bool begun = set_->helpers.begin(op, [&] {
            // seq_cst: the phase against `stop_wanted`, see operation.hpp, 7
            op.phase.store(operation_phase::in_flight, std::memory_order_seq_cst);
            stopped = op.stoppable && op.stop_wanted.load(std::memory_order_seq_cst);
            return !stopped;
        });
        if (!begun || stopped) {
            guests_.fetch_sub(1, std::memory_order_relaxed);
            answer_here(op, stopped ? -canceled_number : -ERROR_NOT_ENOUGH_MEMORY);
        } else {
            set_->helpers.send();
        }
    }

    /// The owner, which looks into done_ before it waits.
    void answer_here(operation& op, std::int32_t result) noexcept {
        // order(operation.phase): release; whoever asks it to stop finds its home
        op.phase.store(operation_phase::in_flight, std::memory_order_release);
        op.result = result;
        (void)done_.put(op); // PUBLISHED
    }

    [[nodiscard]] static std::int32_t file_size(operation& op) noexcept {
        LARGE_INTEGER size{};
        if (::GetFileSizeEx(handle_of(op.fd), &size) == 0) {
            return -static_cast<std::int32_t>(::GetLastError());
        }
        *static_cast<std::uint64_t*>(op.address) = static_cast<std::uint64_t>(size.QuadPart);
        return 0;
    }

    // ---- answers ----

    /// On a helper's thread.
    static void deliver(operation& op) noexcept {
        iocp_reactor& home = home_of(op);
        if (::PostQueuedCompletionStatus(home.set_->port.handle, 0, from_helper,
                                         overlapped_of(op)) == 0) { // PUBLISHED
            (void)home.done_.put(op);                               // PUBLISHED
            home.wake();
        }
        // order(iocp.guests): release; the last touch of the reactor
        home.guests_.fetch_sub(1, std::memory_order_release);
    }

    static void answer_withdrawn(operation& op) noexcept {
        iocp_reactor& home = home_of(op);
        op.result = -canceled_number;
        (void)home.done_.put(op); // PUBLISHED
        home.wake();
        // order(iocp.guests): release; the last touch of the reactor
        home.guests_.fetch_sub(1, std::memory_order_release);
    }

    /// An answered one, to be reaped by those of its runtime.
    static void give_home(operation& op) noexcept {
        iocp_reactor& home = home_of(op);
        home.guests_.fetch_add(1, std::memory_order_relaxed);
        (void)home.done_.put(op); // PUBLISHED
        home.wake();
        // order(iocp.guests): release; the last touch of the reactor
        home.guests_.fetch_sub(1, std::memory_order_release);
    }

    void take_done(work_list& finished) noexcept {
        work_list taken = done_.take_all();
        while (work_node* const node = taken.pop()) {
            finish(static_cast<operation&>(*node), finished);
        }
    }

    /// An abandoned one that nobody has reaped: it is released.
    [[nodiscard]] bool take_back(operation& op) noexcept {
        if (!done_.take(op)) {
            return false;
        }
        in_flight_.fetch_sub(1, std::memory_order_relaxed);
        op.phase.store(operation_phase::released, std::memory_order_relaxed);
        return true;
    }

    static void finish(operation& op, work_list& finished) noexcept {
        iocp_reactor& home = home_of(op);
        op.phase.store(operation_phase::finished, std::memory_order_seq_cst);
        push_or_release(op, finished);
        // The owner may wait for its last one, which somebody else has taken.
        if (home.in_flight_.fetch_sub(1, std::memory_order_relaxed) == 1 &&
            home.set_->refusing.load(std::memory_order_relaxed)) [[unlikely]] {
            home.wake();
        }
    }

    // ---- harvesting ----

    /// Calls take(op) for each answered one. False: there was nothing.
    template <class Take>
    bool take_packets(DWORD milliseconds, bool alertable, Take&& take) noexcept {
        std::array<OVERLAPPED_ENTRY, 64> entries;
        ULONG count = 0;
        if (::GetQueuedCompletionStatusEx(set_->port.handle, entries.data(),
                                          static_cast<ULONG>(entries.size()), &count, milliseconds,
                                          alertable) == 0) {
            return false; // the time has passed, or a queued call has come
        }
        for (ULONG i = 0; i < count; ++i) {
            operation& op = operation_of(entries[i].lpOverlapped);
            if (entries[i].lpCompletionKey == from_kernel) {
                if (!op.completion.handoff.answer_came()) { // PUBLISHED
                    continue;                               // the starter goes on
                }
                home_of(op).flight_.remove(op);
                op.result = answer_of(op);
            }
            take(op);
        }
        return count > 0;
    }

    void harvest(work_list& finished, DWORD milliseconds, bool alertable) noexcept {
        (void)take_packets(milliseconds, alertable, [&](operation& op) {
            if (home_of(op).set_ == set_) [[likely]] {
                finish(op, finished);
            } else {
                give_home(op);
            }
        });
        looked_at_.store(now_ns(), std::memory_order_relaxed);
    }

    void park(work_list& finished, clock_ns deadline) noexcept {
        if (thread_.load(std::memory_order_relaxed) == nullptr) {
            publish_thread();
        }
        for (;;) {
            take_done(finished);
            if (!finished.empty()) {
                break;
            }
            // order(iocp.woken): seq_cst; woken_ against thread_, see the top
            if (woken_.exchange(false, std::memory_order_seq_cst)) {
                harvest(finished, 0, false);
                return;
            }
            harvest(finished, until(deadline), true);
            if (!finished.empty() || woken_.load(std::memory_order_relaxed) ||
                deadline <= now_ns()) {
                break;
            }
        }
        take_done(finished);
        woken_.store(false, std::memory_order_relaxed);
    }

    /// Without it wake() could not end a wait: then there is no going on.
    void publish_thread() noexcept {
        HANDLE thread = nullptr;
        const HANDLE process = ::GetCurrentProcess();
        require(::DuplicateHandle(process, ::GetCurrentThread(), process, &thread, 0, FALSE,
                                  DUPLICATE_SAME_ACCESS) != 0,
                "a worker could not get a handle of its thread");
        // order(iocp.woken): seq_cst; woken_ against thread_, see the top
        thread_.store(thread, std::memory_order_seq_cst);
    }

    /// Rounded up, so that a deadline has passed when the wait ends.
    [[nodiscard]] static DWORD until(clock_ns deadline) noexcept {
        if (deadline == no_deadline) {
            return INFINITE;
        }
        const clock_ns left = std::max<clock_ns>(deadline - now_ns(), 0);
        return static_cast<DWORD>(std::min<clock_ns>((left + 999'999) / 1'000'000, 1'000'000'000));
    }

    std::shared_ptr<iocp_set> set_;
    flight_list flight_;
    answered_list done_;
    atomic<bool> woken_{false};
    atomic<HANDLE> thread_{nullptr};
    atomic<std::size_t> in_flight_{0};
    atomic<std::size_t> guests_{0}; // threads and operations that will still touch the reactor
    atomic<clock_ns> looked_at_{0};
};

} // namespace aloft::inline ALOFT_ABI::detail

#endif

// SPDX-License-Identifier: MIT
// The reactor on epoll: readiness is waited for here, and the system calls are made here.
// Layer: L2 reactor
//
// An operation is tried when it is submitted; most writes and many reads end there. Else it waits at
// its descriptor (epoll_table.hpp), which is registered with the epoll instance of one reactor, the
// entry's home, for all reactors of the runtime. Whoever harvests that instance makes the call that
// has become possible. What has no readiness goes to helper threads.
//
// Where an operation is (operation::answers says it, see below), and what takes it on:
//
//   (submitted) --tried---------------> answered, or it ends there (submit_or_end)
//               --would block---------> waiting       in a list of the descriptor's entry
//               --no readiness--------> with_helper   in the helpers' queue, or in a call
//   waiting     --event, tried--------> finished      by who harvests
//               --limit---------------> finished      by who harvests
//               --cancel, refuse_all--> answered      by any thread
//               --event, no such call-> with_helper
//   with_helper --called, withdrawn---> answered      by the helper, or by who withdraws
//   answered    --reaped--------------> finished      in the home's done_ list meanwhile
//
// `phase` is in_flight from the first of these until it is finished, or released if it is abandoned.
// What ends where it is submitted is never in flight: for others it has not begun.
//
// Who may touch what:
// 1. An entry, the lists in it, and what waits there: the holder of the entry's lock.
// 2. done_: answered_list.hpp. An operation in it has `home` set to this reactor.
// 3. woken_, batch_, and the harvesting of epoll_: the holder of reap_lock_; the owner holds it while
//    it is parked. Registering needs no lock but the entry's.
// 4. `answers` is written by who submits, before the phase is in_flight, and by the holder of the
//    entry's lock, and read under it. What goes to helpers directly has no entry; its kind tells.
// 5. Locks are taken in this order: reap_lock_, entry, and of {limits, done_, helpers} one. The
//    limits' lock is held when an entry's lock is tried, but then not waited for.
// 6. `home` is set before the phase is in_flight and stays. in_flight_ is counted there.
//
// Registration. A descriptor on which the library's own objects read, write, accept or connect is
// registered once, edge-triggered, and stays so until it is closed: then the kernel forgets it, and
// the library tells by the number's epoch (descriptor_epoch.hpp). For poll(), which is for other
// people's descriptors, nothing is relied on: each submission calls epoll_ctl, which finds out
// whether the number still means what is registered, and the registration is for one event. So an
// operation never waits at a registration that was made for another file; if one is found to wait
// at a file that has been closed under it, it ends with EBADF. Events carry the generation of their
// registration, and those of former ones are dropped. A file that lives on under another number
// (dup) keeps the registration of the number that was closed; its events wake and are dropped.
//
// No event is lost. Let an operation wait, and let its descriptor be ready for it at some moment
// behind the last trial. The trial was made under the entry's lock, and the operation was listed
// under the same hold of it.
// a) The registration is older than the trial, or made under the same hold: when the descriptor
//    became ready, or when it was registered ready, the kernel queued an event. Whoever harvests it
//    takes the entry's lock behind the trial, finds the operation and tries again. An event that was
//    harvested before the trial and is looked at behind it makes one more trial, no harm.
// b) No trial is made if `drained` is set: the last trial of a read gave EAGAIN, or, on a TCP socket,
//    fewer bytes than asked for, or as many and the word that nothing is behind them (tcp_rest.hpp);
//    that is, nothing was left at that moment, and every later arrival queues an event, whose
//    harvester resets `drained` when it looks at it. TCP reads also stop short at urgent data,
//    and do not tell the end or an error that is behind the data: of these the event itself tells
//    (PRI, RDHUP, HUP, ERR) and sets always_try; if they arrive behind the harvest, they queue one
//    more event. Other sockets (datagrams, UNIX with descriptors, kernel TLS) stop short without
//    that, so for them only EAGAIN counts; TLS that is switched on behind the first wait is not seen.
// c) One-event registrations are armed again, under the same hold, behind every look that leaves a
//    poll waiting, and the kernel looks at the descriptor when it arms.
//
// Events are taken in batches and looked at in small shares, so that what the calls for an operation
// have brought into the cache is still there when its task goes on: with 500 connections and 4 KiB
// that is up to a sixth of an echo's time. In batch_ an event is as good as in the kernel: whoever
// harvests looks there first, the owner does not wait before it is used up, and help() leaves nothing
// there. What has been there for long is looked at as a whole, and limits expire behind it.
//
// No wake-up is lost. wake() writes an event counter that is registered edge-triggered. If the owner
// waits, it returns; if it is on its way, it returns at once, unless somebody harvested the event
// before: that set woken_ under the reap lock, which the owner reads under that lock and does not
// wait; or it is in batch_, which the owner uses up before it waits. Whoever puts an answer into an
// empty done_ calls wake(), except the owner itself, which looks there under the reap lock before it
// waits. What is put into a done_ that is not empty has somebody's wake-up before it, or is taken by
// that look. A limit that becomes the first one of another reactor wakes that one, which computes its
// waiting time anew.
//
// An owner that does not come back: its descriptors, limits and answers are in reach of help() and
// try_reap(), and so is the wake-up of helpers for what it gave them, which waits for a batch.
#pragma once

#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/lean_shared_memory.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/reactor/descriptor_epoch.hpp>
#include <aloft/detail/reactor/epoll_batch.hpp>
#include <aloft/detail/reactor/epoll_calls.hpp>
#include <aloft/detail/reactor/epoll_home.hpp>
#include <aloft/detail/reactor/epoll_instance.hpp>
#include <aloft/detail/reactor/epoll_table.hpp>
#include <aloft/detail/reactor/helper_threads.hpp>
#include <aloft/detail/reactor/limit_list.hpp>
#include <aloft/detail/reactor/reactor.hpp>

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

/// What the reactors of one runtime share.
struct epoll_set {
    epoll_set(helper_threads::caller call, helper_threads::receiver deliver)
        : helpers(call, deliver) {}

    descriptor_table table;
    atomic<bool> refusing{false};
    std::vector<epoll_home*> regular; // those of no spare workers; complete before they are used
    helper_threads helpers;
};

class epoll_reactor final : public epoll_home {
public:
    [[nodiscard]] static std::shared_ptr<epoll_set> make_set() {
        return std::make_shared<epoll_set>(&call_and_wait, &deliver);
    }

    /// What a spare one's worker begins to wait for is registered with another one of the set.
    explicit epoll_reactor(std::shared_ptr<epoll_set> set, bool spare = false)
        : set_(std::move(set)), spare_(spare) {
        if (!spare) {
            set_->regular.push_back(this);
        }
    }
    epoll_reactor(const epoll_reactor&) = delete;
    epoll_reactor& operator=(const epoll_reactor&) = delete;
    ~epoll_reactor() override { wait_for_helpers(); }
    void submit(operation& op) noexcept override {
        if (submit_or_end(op)) {
            answer_at_once(op);
        }
    }

    [[nodiscard]] bool submit_or_end(operation& op) noexcept override {
        if (set_->refusing.load(std::memory_order_relaxed)) [[unlikely]] {
            op.result = -ECANCELED;
            return true;
        }
        if (is_long_call(op.kind)) {
            call_elsewhere(op);
            return false;
        }
        descriptor_entry* const e = set_->table.make(op.fd);
        if (e == nullptr) [[unlikely]] {
            op.result = op.fd < 0 ? -EBADF : -ENOMEM;
            return true;
        }
        const spin_guard guard(e->lock);
        refresh(*e, op.fd);
        if (e->home == nullptr) {
            e->home = spare_ ? set_->regular[static_cast<std::size_t>(op.fd) % set_->regular.size()]
                             : this;
        }
        const std::int32_t answer = begin(*e, op);
        if (answer == would_block) {
            wait(*e, op);
            return false;
        }
        if (answer == not_offered) {
            call_elsewhere(op);
            return false;
        }
        op.result = answer;
        return true;
    }

    void cancel(operation& op) noexcept override {
        if (!is_long_call(op.kind)) {
            descriptor_entry* const e = set_->table.find(op.fd);
            if (e == nullptr) {
                return; // it was answered at once
            }
            const spin_guard guard(e->lock);
            if (op.phase.load(std::memory_order_relaxed) != operation_phase::in_flight) {
                return;
            }
            if (op.answers == waiting) {
                take_out(*e, op);
                answer(op, -ECANCELED);
                return;
            }
            if (op.answers != with_helper) {
                return;
            }
        }
        if (set_->helpers.withdraw(op)) {
            answer_withdrawn(op);
        }
    }

    void abandon(operation& op) noexcept override {
        begin_abandoning(op);
        cancel(op);
        epoll_home& home = home_of(op);
        while (!has_been_released(op)) {
            if (home.take_back(op)) {
                return;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(20)); // a helper is in its call
        }
    }

    void collect(work_list& finished) noexcept override { look(finished, owner_pause); }

    [[nodiscard]] bool has_more() const noexcept override {
        return in_flight() > 0 && batch_.left();
    }

    /// Longer than with a ring, because only readiness waits here: what is submitted is tried at once.
    [[nodiscard]] clock_ns entry_pause() const noexcept override { return owner_pause; }

    void poll(work_list& finished, clock_ns deadline) noexcept override {
        send_to_helpers();
        take_done(finished);
        if (deadline == 0) {
            harvest(finished);
        } else if (finished.empty()) {
            park(finished, deadline);
        }
    }

    void try_reap(work_list& finished) noexcept override { look(finished, look_pause); }

    void help(work_list& finished) noexcept override {
        take_done(finished);
        send_to_helpers();
        if (in_flight() > 0 && reap_lock_.try_lock()) {
            const std::scoped_lock lock(std::adopt_lock, reap_lock_);
            look_at_batch(epoll_batch::capacity, finished);
            batch_.take(epoll_, 0);
            look_at_batch(epoll_batch::capacity, finished);
        }
    }

    void refuse_all() noexcept override {
        set_->refusing.store(true, std::memory_order_relaxed);
        set_->table.for_each([this](descriptor_entry& e) {
            const spin_guard guard(e.lock);
            if (e.home == this) { // what waits in an entry is at home where the entry is
                answer_waiting(e, -ECANCELED);
            }
        });
        work_list withdrawn;
        set_->helpers.withdraw_all(this, withdrawn);
        while (work_node* const node = withdrawn.pop()) {
            answer_withdrawn(static_cast<operation&>(*node));
        }
    }

private:
    static constexpr clock_ns look_pause = 100'000;
    static constexpr clock_ns owner_pause = 250'000;
    static constexpr std::size_t small_share = 8;
    static constexpr clock_ns longest_stay = 1'000'000; // of an event in batch_

    /// Looks at the kernel only if nobody has for a while: it costs a system call.
    void look(work_list& finished, clock_ns pause) noexcept {
        send_to_helpers();
        take_done(finished);
        if (in_flight() > 0 && (batch_.left() || now_ns() - batch_.taken_at() >= pause)) {
            harvest(finished);
        }
    }

    /// Any thread.
    void send_to_helpers() noexcept {
        if (unsent_.load(std::memory_order_relaxed) &&
            // order(epoll_reactor.unsent): acquire; what is to be sent is in the queue
            unsent_.exchange(false, std::memory_order_acquire)) {
            set_->helpers.send();
        }
    }

    // ---- submitting; the holder of the entry's lock ----

    void wait(descriptor_entry& e, operation& op) noexcept {
        epoll_home& home = *e.home;
        begin_flight(op, home, waiting);
        e.waiting(op.kind).push(op);
        if (op.kind == operation_kind::poll) {
            e.poll_events |= op.flags;
        }
        const bool is_first = op.limit != nullptr && home.limits_.add(op, now_ns());
        if (stop_came_first(op)) {
            take_out(e, op);
            answer(op, -ECANCELED);
        } else if (is_first && &home != this) {
            home.wake();
        }
    }

    void call_elsewhere(operation& op) noexcept {
        begin_flight(op, *this, with_helper);
        guests_.fetch_add(1, std::memory_order_relaxed);
        bool stopped = false;
        // Behind it the operation belongs to a helper, unless it has not been queued. PUBLISHED
        const bool begun = set_->helpers.begin(op, [&] {
            stopped = stop_came_first(op);
            return !stopped;
        });
        if (begun && !stopped) {
            // order(epoll_reactor.unsent): release; it is in the helpers' queue
            unsent_.store(true, std::memory_order_release); // one wake-up for a batch
        } else {
            guests_.fetch_sub(1, std::memory_order_relaxed);
            // order(operation.phase): release; whoever asks it to stop finds its home
            op.phase.store(operation_phase::in_flight, std::memory_order_release);
            op.answers = answered;
            op.result = stopped ? -ECANCELED : -EAGAIN;
            (void)done_.put(op);
        }
    }

    void answer_at_once(operation& op) noexcept {
        begin_flight(op, *this, answered);
        // order(operation.phase): release; whoever asks it to stop finds its home
        op.phase.store(operation_phase::in_flight, std::memory_order_release);
        (void)done_.put(op); // this thread looks there before it parks
    }

    // ---- harvesting; the holder of reap_lock_ ----

    void harvest(work_list& finished) noexcept {
        if (in_flight() > 0 && reap_lock_.try_lock()) {
            const std::scoped_lock lock(std::adopt_lock, reap_lock_);
            if (batch_.is_used_up()) {
                batch_.take(epoll_, 0);
            }
            look_at_batch(share(), finished);
        }
    }

    void park(work_list& finished, clock_ns deadline) noexcept {
        if (!std::exchange(owned_, true)) {
            wake_on_time();
        }
        const std::scoped_lock lock(reap_lock_);
        for (;;) {
            take_done(finished);
            if (batch_.is_used_up()) {
                expire(finished);
            }
            if (!finished.empty()) {
                break;
            }
            if (batch_.is_used_up()) {
                batch_.take(epoll_, woken_ ? 0 : std::min(deadline, limits_.next()));
            }
            look_at_batch(share(), finished);
            if (!finished.empty() || woken_ || deadline <= now_ns()) {
                break;
            }
        }
        woken_ = false;
    }

    void look_at_batch(std::size_t most, work_list& finished) noexcept {
        batch_.use(most, [&](const epoll_event& each) {
            if (epoll_instance::is_wake(each)) {
                woken_ = true;
            } else {
                look_at(epoll_instance::descriptor_of(each), epoll_instance::generation_of(each),
                        each.events, finished);
            }
        });
        if (batch_.is_used_up()) {
            expire(finished);
        }
    }

    [[nodiscard]] std::size_t share() const noexcept {
        return now_ns() - batch_.taken_at() < longest_stay ? small_share : epoll_batch::capacity;
    }

    void look_at(int fd, std::uint32_t generation, std::uint32_t events,
                 work_list& finished) noexcept {
        constexpr std::uint32_t special = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
        descriptor_entry& e = *set_->table.find(fd);
        const spin_guard guard(e.lock);
        if (!e.registered || e.generation != generation || e.home != this) {
            return;
        }
        e.always_try = e.always_try || (events & special) != 0;
        if ((events & (EPOLLIN | special)) != 0) {
            e.drained = false;
            try_waiting(e, e.readers, finished);
        }
        if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
            try_waiting(e, e.writers, finished);
        }
        if (!e.polls.empty()) {
            look_at_polls(e, fd, finished);
        }
    }

    void try_waiting(descriptor_entry& e, work_list& list, work_list& finished) noexcept {
        while (work_node* const node = list.front()) {
            auto& op = static_cast<operation&>(*node);
            const std::int32_t answer = try_and_note(e, op);
            if (answer == would_block) {
                return;
            }
            take_out(e, op);
            if (answer == not_offered) {
                call_when_ready(op, finished);
            } else {
                op.result = answer;
                finish(op, finished);
            }
            if (e.drained && &list == &e.readers) {
                return;
            }
        }
    }

    /// There is no call that surely does not block, though it would hardly now.
    void call_when_ready(operation& op, work_list& finished) noexcept {
        op.answers = with_helper;
        guests_.fetch_add(1, std::memory_order_relaxed);
        if (!set_->helpers.begin(op, [] { return true; })) { // PUBLISHED
            guests_.fetch_sub(1, std::memory_order_relaxed);
            op.answers = answered;
            op.result = -EAGAIN;
            finish(op, finished);
            return;
        }
        set_->helpers.send();
    }

    void look_at_polls(descriptor_entry& e, int fd, work_list& finished) noexcept {
        const std::int32_t ready = ready_events(fd, e.poll_events);
        work_list all;
        all.append(std::move(e.polls));
        e.poll_events = 0;
        while (work_node* const node = all.pop()) {
            auto& op = static_cast<operation&>(*node);
            const auto wanted = static_cast<std::int32_t>(op.flags | POLLERR | POLLHUP);
            op.result = ready < 0 ? ready : ready & wanted;
            if (op.result == 0) {
                e.polls.push(op);
                e.poll_events |= op.flags;
                continue;
            }
            if (op.limit != nullptr) {
                limits_.remove(op);
            }
            op.answers = answered;
            finish(op, finished);
        }
        if (!e.polls.empty() && !e.kept) {
            if (const std::int32_t error = arm(e, fd, 0, false, true); error != 0) {
                answer_waiting(e, error);
            }
        }
    }

    void expire(work_list& finished) noexcept {
        if (limits_.next() == no_deadline) [[likely]] {
            return;
        }
        bool again = true;
        while (std::exchange(again, false)) {
            limits_.take_due(now_ns(), [&](operation& op) {
                descriptor_entry& e = *set_->table.find(op.fd);
                if (!e.lock.try_lock()) {
                    again = true; // its holder may wait for the limits' lock
                    return false;
                }
                (void)e.waiting(op.kind).remove(op);
                if (e.polls.empty()) {
                    e.poll_events = 0;
                }
                op.answers = answered;
                op.timed_out = true;
                op.result = -ECANCELED;
                finish(op, finished);
                e.lock.unlock();
                return true;
            });
            if (again) {
                spin_pause();
            }
        }
    }

    std::shared_ptr<epoll_set> set_;
    const bool spare_;
    bool woken_ = false;
    bool owned_ = false; // the owner's
    spin_lock reap_lock_;
    atomic<bool> unsent_{false}; // helpers have to be told of operations
    epoll_batch batch_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// The part of an epoll reactor that other threads use: where operations are registered and answered.
// Layer: L2 reactor
//
// Who may call what, the states, and the proofs: epoll.hpp.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/reactor/answered_list.hpp>
#include <aloft/detail/reactor/descriptor_epoch.hpp>
#include <aloft/detail/reactor/epoll_calls.hpp>
#include <aloft/detail/reactor/epoll_instance.hpp>
#include <aloft/detail/reactor/epoll_table.hpp>
#include <aloft/detail/reactor/limit_list.hpp>
#include <aloft/detail/reactor/operation.hpp>
#include <aloft/detail/reactor/operation_end.hpp>
#include <aloft/detail/reactor/reactor.hpp>
#include <aloft/detail/reactor/tcp_rest.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class epoll_home : public reactor {
public:
    void wake() noexcept override { epoll_.wake(); }

    [[nodiscard]] std::size_t in_flight() const noexcept override {
        return in_flight_.load(std::memory_order_relaxed);
    }

    // operation::answers
    static constexpr std::uint8_t answered = 0;
    static constexpr std::uint8_t waiting = 1;
    static constexpr std::uint8_t with_helper = 2;

    /// Before anything of it ends.
    void wait_for_helpers() const noexcept {
        // order(epoll_home.guests): acquire; the helpers' accesses come before the end
        while (guests_.load(std::memory_order_acquire) != 0) {
            std::this_thread::yield();
        }
    }

    // for the reactors of the same set

    [[nodiscard]] static epoll_home& home_of(const operation& op) noexcept {
        return static_cast<epoll_home&>(*op.home);
    }

    // ---- registration; the holder of the entry's lock ----

    /// The number may have been closed since.
    static void refresh(descriptor_entry& e, int fd) noexcept {
        const std::uint32_t epoch = descriptor_epoch(fd);
        if (e.epoch == epoch) [[likely]] {
            return;
        }
        e.epoch = epoch;
        if (!e.has_waiting()) {
            e.forget();
        } else if (e.registered && e.home->epoll_.change(fd, e.events, e.generation) != 0) {
            answer_waiting(e, -EBADF);
            e.forget();
        }
    }

    /// Sees to it that an event comes when one of `events` is ready. 0, or the negated error. With
    /// `verify` the kernel is asked whether the number still means what is registered. The entry has
    /// a home.
    [[nodiscard]] static std::int32_t arm(descriptor_entry& e, int fd, std::uint32_t events,
                                          bool keep, bool verify = false) noexcept {
        constexpr std::uint32_t always = EPOLLET | EPOLLIN | EPOLLRDHUP | EPOLLPRI;
        keep = keep || (e.registered && e.kept);
        events |= e.poll_events | (keep ? always : EPOLLONESHOT);
        if (e.registered) {
            if (e.kept) {
                events |= e.events;
            }
            if (!verify && e.kept && e.events == events) [[likely]] {
                return 0;
            }
            const int error = e.home->epoll_.change(fd, events, e.generation);
            if (error == 0) {
                e.events = events;
                e.kept = keep;
                return 0;
            }
            if (error != ENOENT) {
                return -error;
            }
            answer_waiting(e, -EBADF);
            e.forget();
        }
        ++e.generation;
        int error = e.home->epoll_.add(fd, events, e.generation);
        if (error == EEXIST) {
            error = e.home->epoll_.change(fd, events, e.generation);
        }
        if (error == 0) {
            e.registered = true;
            e.kept = keep;
            e.events = events;
        }
        return -error;
    }

    /// would_block: it has to wait, and is armed. not_offered: a helper has to make the call.
    [[nodiscard]] static std::int32_t begin(descriptor_entry& e, operation& op) noexcept {
        const auto armed = [](std::int32_t error) { return error == 0 ? would_block : error; };
        const bool others_wait = !e.waiting(op.kind).empty();
        const bool nothing_there = e.registered && e.kept && e.drained && op.length > 0;
        switch (op.kind) {
        case operation_kind::receive: {
            if (others_wait || nothing_there) {
                return would_block;
            }
            const bool filled = e.filled;
            const std::int32_t answer = try_and_note(e, op);
            if (answer != would_block) {
                return answer;
            }
            const std::int32_t error = arm(e, op.fd, EPOLLIN, true);
            if (error == 0 && !std::exchange(e.asked, true)) {
                e.short_is_all = is_plain_tcp(op.fd);
            }
            if (filled && e.short_is_all && !std::exchange(e.asked_for_rest, true)) {
                e.tells_rest = begin_telling_rest(op.fd);
            }
            return armed(error);
        }
        case operation_kind::send: {
            const std::int32_t answer = others_wait ? would_block : try_now(op);
            return answer != would_block ? answer : armed(arm(e, op.fd, EPOLLOUT, true));
        }
        case operation_kind::connect: {
            const std::int32_t answer = begin_connect(op);
            return answer != would_block ? answer : armed(arm(e, op.fd, EPOLLOUT, true));
        }
        case operation_kind::accept: {
            if (const std::int32_t error = arm(e, op.fd, EPOLLIN, true); error != 0) {
                return error == -EPERM ? -ENOTSOCK : error;
            }
            if (!std::exchange(e.never_blocks, true)) {
                set_never_blocking(op.fd);
            }
            return others_wait || e.drained ? would_block : try_and_note(e, op);
        }
        case operation_kind::poll: {
            const std::int32_t ready = ready_events(op.fd, op.flags);
            if (ready != 0) {
                return ready;
            }
            return armed(arm(e, op.fd, op.flags, false, true));
        }
        default: {
            if (e.plain) {
                return not_offered;
            }
            const bool writes = is_writer(op.kind);
            const std::int32_t error = arm(e, op.fd, writes ? EPOLLOUT : EPOLLIN, true);
            if (error == -EPERM) {
                e.plain = true;
                return not_offered;
            }
            if (error != 0) {
                return error;
            }
            return others_wait || (nothing_there && !writes) ? would_block : try_and_note(e, op);
        }
        }
    }

    [[nodiscard]] static std::int32_t try_and_note(descriptor_entry& e, operation& op) noexcept {
        if (op.kind == operation_kind::receive) {
            return receive_and_note(e, op);
        }
        const std::int32_t answer = try_now(op);
        if (!is_writer(op.kind)) {
            e.drained = answer == would_block;
        }
        return answer;
    }

    [[nodiscard]] static std::int32_t receive_and_note(descriptor_entry& e,
                                                       operation& op) noexcept {
        told_rest told;
        const std::int32_t answer = e.tells_rest ? receive_telling_rest(op, told) : try_now(op);
        if (told.tells_others) {
            e.tells_rest = false;
            e.always_try = true;
        }
        e.filled = answer == static_cast<std::int32_t>(op.length);
        const bool was_all = e.filled ? told.bytes == 0 : answer > 0 && e.short_is_all;
        e.drained = answer == would_block || (was_all && !e.always_try && op.flags == 0);
        return answer;
    }

    // ---- flight ----

    static void begin_flight(operation& op, epoll_home& home, std::uint8_t place) noexcept {
        op.home = &home;
        op.answers = place;
        home.in_flight_.fetch_add(1, std::memory_order_relaxed);
    }

    /// Makes it in flight for others. True: it has to be cancelled here.
    [[nodiscard]] static bool stop_came_first(operation& op) noexcept {
        if (!op.stoppable) {
            op.phase.store(operation_phase::in_flight, std::memory_order_relaxed);
            return false;
        }
        // seq_cst: the phase against `stop_wanted`, see operation.hpp, 7
        op.phase.store(operation_phase::in_flight, std::memory_order_seq_cst);
        return op.stop_wanted.load(std::memory_order_seq_cst);
    }

    static void take_out(descriptor_entry& e, operation& op) noexcept {
        work_list& list = e.waiting(op.kind);
        (void)list.remove(op);
        if (e.polls.empty()) {
            e.poll_events = 0;
        }
        if (op.limit != nullptr) {
            home_of(op).limits_.remove(op);
        }
        op.answers = answered;
    }

    static void answer_waiting(descriptor_entry& e, std::int32_t result) noexcept {
        for (work_list* const list : {&e.readers, &e.writers, &e.polls}) {
            while (work_node* const node = list->front()) {
                auto& op = static_cast<operation&>(*node);
                take_out(e, op);
                answer(op, result);
            }
        }
    }

    static void answer_withdrawn(operation& op) noexcept {
        epoll_home& home = home_of(op);
        answer(op, -ECANCELED); // PUBLISHED
        // order(epoll_home.guests): release; the last touch of the reactor
        home.guests_.fetch_sub(1, std::memory_order_release);
    }

    static void answer(operation& op, std::int32_t result) noexcept {
        op.result = result;
        epoll_home& home = home_of(op);
        if (home.done_.put(op)) { // PUBLISHED
            home.epoll_.wake();
        }
    }

    /// On a helper's thread.
    static void deliver(operation& op) noexcept {
        epoll_home& home = home_of(op);
        if (home.done_.put(op)) { // PUBLISHED
            home.epoll_.wake();
        }
        // order(epoll_home.guests): release; the last touch of the reactor
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
        home_of(op).in_flight_.fetch_sub(1, std::memory_order_relaxed);
        op.phase.store(operation_phase::finished, std::memory_order_seq_cst);
        push_or_release(op, finished);
    }

    epoll_instance epoll_;
    limit_list limits_;
    answered_list done_;
    atomic<std::size_t> in_flight_{0};
    atomic<std::size_t> guests_{0}; // operations that helpers have
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// The backend of a simulated world: descriptors, operations, and events at points of virtual time.
// Layer: L2 reactor
//
//   submit --latency--> begun --attempt--> finished
//                             --would block--> waiting at its object --it changed--> attempt again
//   any of them --cancel, some time later, or the time limit--> finished (canceled)
//
// 1. One thread uses it all. An operation is known by the number that it got when it was submitted,
//    never by its address, so an event that comes late finds that its operation is gone.
// 2. The object is looked up when the operation is submitted, as kernels do it: closing the descriptor
//    later does not end the operation.
// 3. A stop and a completion race as the delays that are drawn for them decide; whichever event
//    comes first wins.
// 4. A finished operation is appended to the list that the scheduler collects; nothing is resumed.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/lean_function.hpp>
#include <aloft/detail/reactor/limit_list.hpp>
#include <aloft/detail/reactor/operation_end.hpp>
#include <aloft/detail/reactor/reactor.hpp>
#include <aloft/detail/reactor/simulated_calls.hpp>
#include <aloft/detail/reactor/simulated_datagrams.hpp>
#include <aloft/detail/reactor/simulated_disk.hpp>
#include <aloft/detail/reactor/simulated_network.hpp>
#include <aloft/detail/reactor/simulated_object.hpp>
#include <aloft/detail/reactor/simulated_pipe.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

/// A template so that a program which simulates nothing compiles none of it.
template <class Nothing = void>
class simulated_kernel final : public reactor,
                               public simulated_dice,
                               private simulated_surroundings {
public:
    simulated_kernel(std::uint64_t seed, const simulation_options& options)
        : simulated_dice(seed, options), disk_(*this), network_(*this), datagrams_(*this) {}
    ~simulated_kernel() override { events_.clear(); }

    // ---- time --------------------------------------------------------------------------------

    void at(clock_ns time, std::function<void()> event) override {
        events_.emplace(std::pair(time, ++last_event_), std::move(event));
    }

    [[nodiscard]] clock_ns next_event() const noexcept {
        return events_.empty() ? no_deadline : events_.begin()->first.first;
    }

    /// Lets everything happen whose time has come.
    void run_due() {
        while (next_event() <= now) {
            const std::function<void()> event = std::move(events_.begin()->second);
            events_.erase(events_.begin());
            event();
        }
    }

    // ---- operations --------------------------------------------------------------------------

    void submit(operation& op) noexcept override {
        op.home = this;
        op.phase.store(operation_phase::in_flight, std::memory_order_relaxed);
        const std::uint64_t number = ++last_number_;
        note(name_of(op.kind), number, "on",
             op.fd < first_descriptor ? -1 : op.fd - first_descriptor);
        pending_.emplace(number, pending{&op, object_of(op), false});
        numbers_.emplace(&op, number);
        if (refusing_ || op.stop_wanted.load(std::memory_order_relaxed)) {
            finish(number, -ECANCELED);
            return;
        }
        if (op.limit != nullptr) {
            at(deadline_of(*op.limit, now), [this, number] {
                if (pending* const late = find(number)) {
                    late->op->timed_out = true;
                    finish(number, -ECANCELED);
                }
            });
        }
        const clock_ns delay = draw_time(options().latency());
        at(now + delay, [this, number] { attempt(number); });
    }

    void cancel(operation& op) noexcept override {
        const auto found = numbers_.find(&op);
        if (found == numbers_.end() || pending_.at(found->second).stop_asked) {
            return;
        }
        const std::uint64_t number = found->second;
        pending_.at(number).stop_asked = true;
        note(name_of(op.kind), number, "asked to stop", 0);
        clock_ns delay = draw_time(options().latency());
        if (draw_chance(options().deaf_to_stop())) {
            delay += static_cast<clock_ns>(draw_below(5'000'000));
        }
        at(now + delay, [this, number] {
            if (find(number) != nullptr) {
                finish(number, -ECANCELED);
            }
        });
    }

    void abandon(operation& op) noexcept override {
        begin_abandoning(op);
        const auto found = numbers_.find(&op);
        note(name_of(op.kind), found->second, "abandoned", 0);
        pending_.erase(found->second);
        numbers_.erase(found);
        op.result = -native_error(ECANCELED);
        op.phase.store(operation_phase::released, std::memory_order_relaxed);
    }

    void collect(work_list& finished) noexcept override { finished.append(std::move(finished_)); }
    void poll(work_list& finished, clock_ns) noexcept override { collect(finished); }
    void try_reap(work_list& finished) noexcept override { collect(finished); }
    void help(work_list& finished) noexcept override { collect(finished); }
    void wake() noexcept override {}

    void refuse_all() noexcept override {
        refusing_ = true;
        while (!pending_.empty()) {
            finish(pending_.begin()->first, -ECANCELED);
        }
    }

    [[nodiscard]] std::size_t in_flight() const noexcept override { return pending_.size(); }

    // ---- direct calls ------------------------------------------------------------------------

    [[nodiscard]] int open_socket(transport_kind kind, bool v6) override {
        return kind == transport_kind::udp ? give_descriptor(datagrams_.open(v6))
                                           : give_descriptor(network_.open(v6));
    }

    [[nodiscard]] int bind_socket(int fd, const sockaddr* address) override {
        return with_socket(
            fd, [&](simulated_socket& s) { return s.bind(from_socket_address(address)); });
    }

    [[nodiscard]] int connect_now(int fd, const sockaddr* address) override {
        return with_socket(
            fd, [&](simulated_socket& s) { return s.connect_now(from_socket_address(address)); });
    }

    [[nodiscard]] int listen_on(int fd, int backlog) override {
        return with_socket(fd, [&](simulated_socket& s) { return s.listen(backlog); });
    }

    [[nodiscard]] int name_of(int fd, bool peer, sockaddr* address, socklen_t* length) override {
        return with_socket(fd, [&](simulated_socket& s) {
            const raw_endpoint* const name = peer ? s.remote() : &s.local();
            if (name == nullptr) {
                return -ENOTCONN;
            }
            const socket_address made = to_socket_address(*name);
            std::memcpy(address, made.data(), made.length);
            *length = made.length;
            return 0;
        });
    }

    [[nodiscard]] int shut_down(int fd, int how) override {
        return with_socket(fd, [&](simulated_socket& s) { return s.shut_down(how); });
    }

    [[nodiscard]] int open_pipe(int& reader, int& writer) override {
        simulated_pipe<Nothing>::open(*this, reader, writer);
        note("pipe", static_cast<std::uint64_t>(reader - first_descriptor), "is written to at",
             writer - first_descriptor);
        return 0;
    }

    void close_descriptor(int fd) override { (void)close(fd); }

    [[nodiscard]] std::int32_t call_now(operation& op) override {
        const std::int32_t result = carry_out({&op, object_of(op), false});
        note(name_of(op.kind), static_cast<std::uint64_t>(op.fd - first_descriptor),
             "at once gives", result);
        return result == not_yet ? -EAGAIN : result;
    }

private:
    struct pending {
        operation* op;
        std::shared_ptr<simulated_object> object;
        bool stop_asked;
    };

    [[nodiscard]] static const char* name_of(operation_kind kind) noexcept {
        static constexpr const char* names[] = {
            "read", "write",           "read_vector",  "write_vector", "receive",
            "send", "receive_message", "send_message", "accept",       "connect",
            "open", "close",           "sync",         "file_size",    "poll"};
        return names[static_cast<std::size_t>(kind)];
    }

    [[nodiscard]] simulated_dice& dice() noexcept override { return *this; }

    [[nodiscard]] pending* find(std::uint64_t number) noexcept {
        const auto found = pending_.find(number);
        return found == pending_.end() ? nullptr : &found->second;
    }

    [[nodiscard]] std::shared_ptr<simulated_object> object_of(const operation& op) const {
        const auto found = descriptors_.find(op.fd);
        return found == descriptors_.end() ? nullptr : found->second;
    }

    void attempt(std::uint64_t number) {
        pending* const it = find(number);
        if (it == nullptr) {
            return;
        }
        const std::int32_t result = carry_out(*it);
        if (result != not_yet) {
            finish(number, result);
        } else {
            it->object->waiting.push_back(number);
        }
    }

    [[nodiscard]] std::int32_t carry_out(const pending& it) {
        operation& op = *it.op;
        if (op.kind == operation_kind::open) {
            return disk_.open(open_wish_of(op));
        }
        if (op.kind == operation_kind::close) {
            return close(op.fd);
        }
        if (it.object == nullptr) {
            return -EBADF;
        }
        if (op.kind == operation_kind::poll) {
            const std::uint32_t ready =
                it.object->readiness() & (op.flags | std::uint32_t{POLLERR | POLLHUP});
            return ready == 0 ? not_yet : static_cast<std::int32_t>(ready);
        }
        return it.object->attempt(op);
    }

    void finish(std::uint64_t number, std::int32_t result) {
        const auto found = pending_.find(number);
        operation& op = *found->second.op;
        note(name_of(op.kind), number, "ends with", result);
        pending_.erase(found);
        numbers_.erase(&op);
        op.result = result < 0 ? -native_error(-result) : result;
        op.phase.store(operation_phase::finished, std::memory_order_relaxed);
        finished_.push(op);
    }

    void changed(simulated_object& object) override {
        for (const std::uint64_t number : std::exchange(object.waiting, {})) {
            attempt(number);
        }
    }

    [[nodiscard]] int give_descriptor(std::shared_ptr<simulated_object> object) override {
        int fd = first_descriptor;
        while (descriptors_.contains(fd)) { // the lowest that is free, as everywhere
            ++fd;
        }
        descriptors_.emplace(fd, std::move(object));
        return fd;
    }

    void replace(int fd, std::shared_ptr<simulated_object> object) override {
        descriptors_[fd] = std::move(object);
    }

    [[nodiscard]] int close(int fd) {
        const auto found = descriptors_.find(fd);
        if (found == descriptors_.end()) {
            return -EBADF;
        }
        note("descriptor", static_cast<std::uint64_t>(fd - first_descriptor), "closed", 0);
        const std::shared_ptr<simulated_object> object = std::move(found->second);
        descriptors_.erase(found);
        object->closed();
        return 0;
    }

    template <class Call>
    [[nodiscard]] int with_socket(int fd, Call call) {
        const auto found = descriptors_.find(fd);
        if (found == descriptors_.end()) {
            return -EBADF;
        }
        auto* const s = dynamic_cast<simulated_socket*>(found->second.get());
        return s == nullptr ? -ENOTSOCK : call(*s);
    }

    std::map<std::pair<clock_ns, std::uint64_t>, std::function<void()>> events_;
    std::map<std::uint64_t, pending> pending_;
    std::map<const operation*, std::uint64_t> numbers_; // looked up, never walked through
    std::map<int, std::shared_ptr<simulated_object>> descriptors_;
    work_list finished_;
    std::uint64_t last_event_ = 0;
    std::uint64_t last_number_ = 0;
    bool refusing_ = false;
    simulated_disk<Nothing> disk_;
    simulated_network<Nothing> network_;
    simulated_datagrams<Nothing> datagrams_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
#include "open_loop.hpp"

#include "../measure.hpp"

#include <sched.h>
#include <sys/prctl.h>

#include <utility>

namespace field {
namespace {

std::vector<client> connect(std::uint16_t port, std::size_t count) {
    std::vector<client> clients;
    for (std::size_t i = 0; i < count; ++i) {
        clients.emplace_back(port, 64, i);
    }
    return clients;
}

} // namespace

open_loop::open_loop(std::uint16_t port, std::size_t connections, double rate)
    : clients_(connect(port, connections)),
      epoll_(clients_),
      under_way_(connections),
      period_(1 / rate) {
    for (std::size_t i = 0; i < connections; ++i) {
        free_.push_back(i);
    }
    (void)::prctl(PR_SET_TIMERSLACK, 1UL);
    const sched_param priority{10};
    real_time_ = ::sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
}

void open_loop::run(double warm_up, double seconds,
                    const std::function<kind_of_request(double)>& choose) {
    const double begin = seconds_now();
    const double end = begin + warm_up + seconds;
    counts_from_ = begin + warm_up;
    double due = begin;
    while (due < end || free_.size() < clients_.size()) {
        for (double now = seconds_now(); due <= now && due < end; due += period_) {
            waiting_.push_back({due, choose(due - begin)});
            if (due >= counts_from_) {
                late.push_back((now - due) * 1e3);
            }
        }
        send_waiting();
        const double until = due < end ? due - seconds_now() : 1;
        epoll_.wait(until > 0 ? until : 0, [&](std::size_t i) { answer(i); });
        must_be(seconds_now() < end + 30, "all answers within 30 s");
    }
}

// A connection carries one request at a time, so that none waits behind another by our doing.
void open_loop::send_waiting() {
    while (!waiting_.empty() && !free_.empty()) {
        const std::size_t i = free_.front();
        free_.pop_front();
        under_way_[i] = waiting_.front();
        waiting_.pop_front();
        clients_[i].send(under_way_[i].kind);
    }
}

void open_loop::answer(std::size_t connection) {
    if (!clients_[connection].receive()) {
        return;
    }
    const request& done = under_way_[connection];
    if (done.due >= counts_from_) {
        (done.kind == kind_of_request::light ? light : heavy)
            .push_back((seconds_now() - done.due) * 1e3);
    }
    free_.push_back(connection);
    send_waiting();
}

} // namespace field

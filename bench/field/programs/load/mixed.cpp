// SPDX-License-Identifier: MIT
#include "epoll.hpp"
#include "loads.hpp"
#include "server_process.hpp"

#include <sched.h>
#include <sys/prctl.h>

#include <deque>
#include <random>
#include <vector>

namespace field {
namespace {

struct request {
    double due;
    bool heavy;
};

/// Sends what is due, whether or not earlier answers have come, and counts from when it was due.
class open_loop {
public:
    open_loop(std::uint16_t port, std::size_t connections, double rate, std::uint64_t seed)
        : clients_(connect(port, connections)),
          epoll_(clients_),
          under_way_(connections),
          period_(1 / rate),
          random_(seed) {
        for (std::size_t i = 0; i < connections; ++i) {
            free_.push_back(i);
        }
    }

    void run(double warm_up, double seconds) {
        const double begin = seconds_now();
        const double counts_from = begin + warm_up;
        const double end = counts_from + seconds;
        double due = begin;
        while (due < end || free_.size() < clients_.size()) {
            for (double now = seconds_now(); due <= now && due < end; due += period_) {
                waiting_.push_back({due, random_() % 400 == 0});
            }
            send_waiting(counts_from);
            const double until = due < end ? due - seconds_now() : 1;
            epoll_.wait(until > 0 ? until : 0, [&](std::size_t i) { answer(i, counts_from); });
            must_be(seconds_now() < end + 30, "all answers within 30 s");
        }
    }

    std::vector<double> light;
    std::vector<double> heavy;
    std::vector<double> late;

private:
    static std::vector<client> connect(std::uint16_t port, std::size_t count) {
        std::vector<client> clients;
        for (std::size_t i = 0; i < count; ++i) {
            clients.emplace_back(port, 64, i);
        }
        return clients;
    }

    // A connection carries one request at a time, so that none waits behind another by our doing.
    void send_waiting(double counts_from) {
        while (!waiting_.empty() && !free_.empty()) {
            const std::size_t i = free_.front();
            free_.pop_front();
            under_way_[i] = waiting_.front();
            waiting_.pop_front();
            if (under_way_[i].due >= counts_from) {
                late.push_back((seconds_now() - under_way_[i].due) * 1e3);
            }
            clients_[i].send(under_way_[i].heavy);
        }
    }

    void answer(std::size_t i, double counts_from) {
        if (!clients_[i].receive()) {
            return;
        }
        if (under_way_[i].due >= counts_from) {
            (under_way_[i].heavy ? heavy : light)
                .push_back((seconds_now() - under_way_[i].due) * 1e3);
        }
        free_.push_back(i);
        send_waiting(counts_from);
    }

    std::vector<client> clients_;
    epoll epoll_;
    std::deque<std::size_t> free_;
    std::vector<request> under_way_;
    std::deque<request> waiting_;
    double period_;
    std::mt19937_64 random_;
};

} // namespace

void mixed_load(char** arguments, char** command) {
    const std::size_t connections = std::strtoull(arguments[0], nullptr, 10);
    const double rate = std::strtod(arguments[1], nullptr);
    const double seconds = std::strtod(arguments[2], nullptr) * 1e-3;
    const std::uint64_t seed = std::strtoull(arguments[3], nullptr, 10);
    const server_process server(command, placement::anywhere);
    // The server, which is started already, must not inherit this.
    (void)::prctl(PR_SET_TIMERSLACK, 1UL);
    const sched_param priority{10};
    const bool real_time = ::sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
    open_loop load(server.port(), connections, rate, seed);
    const processor_time before = server.used();
    load.run(0.3, seconds);
    report("cpu_share", (server.used().total() - before.total()) / (seconds + 0.3));
    report("real_time", real_time ? 1 : 0);
    report("requests", static_cast<double>(load.light.size() + load.heavy.size()));
    report_delays("light", load.light);
    if (!load.heavy.empty()) {
        report_delays("heavy", load.heavy);
    }
    report_delays("late", load.late);
}

} // namespace field

// SPDX-License-Identifier: MIT
#include "epoll.hpp"
#include "loads.hpp"
#include "server_process.hpp"
#include "system_calls.hpp"

#include <cstdint>

namespace field {
namespace {

class closed_loop {
public:
    closed_loop(std::uint16_t port, std::size_t connections, std::size_t bytes)
        : clients_(connect(port, connections, bytes)), epoll_(clients_) {
        for (client& each : clients_) {
            each.send();
        }
    }

    /// The number of answers in that time.
    double run(double seconds) {
        const double end = seconds_now() + seconds;
        std::uint64_t answers = 0;
        while (seconds_now() < end) {
            const bool any = epoll_.wait(10, [&](std::size_t i) {
                if (clients_[i].receive()) {
                    ++answers;
                    clients_[i].send();
                }
            });
            must_be(any, "an answer within 10 s");
        }
        total_ += static_cast<double>(answers);
        return static_cast<double>(answers);
    }

    [[nodiscard]] double total() const { return total_; }

private:
    static std::vector<client> connect(std::uint16_t port, std::size_t count, std::size_t bytes) {
        std::vector<client> clients;
        for (std::size_t i = 0; i < count; ++i) {
            clients.emplace_back(port, bytes, i);
        }
        return clients;
    }

    std::vector<client> clients_;
    epoll epoll_;
    double total_ = 0;
};

} // namespace

void echo_load(char** arguments, char** command) {
    const std::size_t connections = std::strtoull(arguments[0], nullptr, 10);
    const std::size_t bytes = std::strtoull(arguments[1], nullptr, 10);
    const double seconds = std::strtod(arguments[2], nullptr) * 1e-3;
    const server_process server(command, placement::beside_load);
    closed_loop load(server.port(), connections, bytes);
    load.run(seconds / 4); // until everything is warm

    const processor_time before = server.used();
    const double begin = seconds_now();
    const double answers = load.run(seconds);
    const double took = seconds_now() - begin;
    const processor_time after = server.used();
    report("cpu_us", (after.total() - before.total()) * 1e6 / answers);
    report("user_us", (after.user - before.user) * 1e6 / answers);
    report("requests_per_s", answers / took);

    // Apart from the time above, because counting costs time.
    const system_call_counter counter(server);
    const double counted = load.run(seconds / 4);
    if (const auto calls = counter.count()) {
        report("system_calls", *calls / counted);
    }
    report("answers", load.total());
}

} // namespace field

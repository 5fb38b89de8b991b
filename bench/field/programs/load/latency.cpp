// SPDX-License-Identifier: MIT
#include "client.hpp"
#include "loads.hpp"
#include "server_process.hpp"

#include "../measure.hpp"

#include <vector>

namespace field {

void latency_load(char** arguments, char** command) {
    const std::size_t bytes = std::strtoull(arguments[0], nullptr, 10);
    const double seconds = std::strtod(arguments[1], nullptr) * 1e-3;
    const server_process server(command, placement::beside_load);
    client one(server.port(), bytes, 0);
    std::vector<double> delays;
    delays.reserve(1'000'000);
    const auto run = [&](double time) {
        // It never sleeps: what is measured is the server's waking up, not that of this thread.
        const double end = seconds_now() + time;
        for (double now = seconds_now(); now < end;) {
            one.send();
            one.spin_for_answer();
            const double answered = seconds_now();
            delays.push_back((answered - now) * 1e3);
            now = answered;
        }
    };
    run(seconds / 4);
    delays.clear();
    const processor_time before = server.used();
    const double begin = seconds_now();
    run(seconds);
    const double took = seconds_now() - begin;
    report("cpu_share", (server.used().total() - before.total()) / took);
    report("requests_per_s", static_cast<double>(delays.size()) / took);
    for (double& each : delays) {
        each *= 1e3;
    }
    report_delays("echo", delays, "us");
}

} // namespace field

// SPDX-License-Identifier: MIT
#include "client.hpp"
#include "loads.hpp"
#include "server_process.hpp"

#include "../measure.hpp"

#include <chrono>
#include <thread>
#include <vector>

namespace field {

void idle_load(char** arguments, char** command) {
    const std::size_t connections = std::strtoull(arguments[0], nullptr, 10);
    const double seconds = std::strtod(arguments[1], nullptr) * 1e-3;
    const server_process server(command, placement::anywhere);
    std::vector<client> clients;
    for (std::size_t i = 0; i < connections; ++i) {
        // An answer shows that the server has accepted it; then its receive is parked again.
        clients.emplace_back(server.port(), 64, i);
        clients.back().send();
        clients.back().wait_for_answer();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const double switches = server.context_switches();
    const double used = server.scheduled();
    const double begin = seconds_now();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    const double took = seconds_now() - begin;
    report("switches_per_s", (server.context_switches() - switches) / took);
    report("cpu_us_per_s", (server.scheduled() - used) * 1e6 / took);
    report("threads", static_cast<double>(server.threads().size()));
}

} // namespace field

// SPDX-License-Identifier: MIT
// An echo server over TCP on the loopback interface. The same client, on one thread of this
// process, drives each server; the server's processor time is that of all the other threads.
#include "suites.hpp"
#include "support/comparison.hpp"
#include "support/echo_load.hpp"
#include "support/echo_servers.hpp"
#include "support/pool.hpp"
#include "support/processor_time.hpp"
#include "support/ring.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {
namespace {

struct scenario {
    std::size_t connections;
    std::size_t message_size; // bytes
};

template <class Server>
void drive(benchmark::State& state, const scenario& load, const Server& server) {
    // Destroyed before the server, which ends when its clients are gone.
    echo_load clients(server.port(), load.connections, load.message_size);
    const auto connections = static_cast<std::int64_t>(load.connections);
    (void)clients.run(connections); // every connection has been accepted and has answered
    std::int64_t answers = 0;
    const std::int64_t batch = std::max<std::int64_t>(100, connections * 4);
    const std::chrono::nanoseconds before = time_of_other_threads();
    for (auto _ : state) {
        answers += clients.run(batch);
    }
    report_processor_time(state, time_of_other_threads() - before, answers);
    report_items(state, answers);
}

void with_aloft(benchmark::State& state, const scenario& load) {
    const aloft_echo_server server(pool(), load.connections);
    drive(state, load, server);
}

void with_one_worker(benchmark::State& state, const scenario& load) {
    aloft::runtime rt(aloft::runtime_options(pool_options()).threads(1));
    const aloft_echo_server server(rt, load.connections);
    drive(state, load, server);
}

void with_threads(benchmark::State& state, const scenario& load) {
    const thread_echo_server server(load.connections);
    drive(state, load, server);
}

void with_ring(benchmark::State& state, const scenario& load) {
    const ring_echo_server server(load.connections);
    drive(state, load, server);
}

using scenario_function = void(benchmark::State&, const scenario&);

[[nodiscard]] body in(const scenario& load, scenario_function* run) {
    return [load, run](benchmark::State& state) { run(state, load); };
}

void add(const scenario& load, const std::string& size) {
    const std::string connections = std::to_string(load.connections);
    const std::string name = "tcp_echo/" + connections + "/" + std::to_string(load.message_size);
    const std::string work = "TCP echo, " + connections +
                             (load.connections == 1 ? " connection, " : " connections, ") + size;
    const std::vector<measure> measures = {measure::items_per_second,
                                           measure::processor_time_per_item};
    comparison rows(name, work, measures);
    rows.with_aloft(in(load, &with_aloft))
        .against("threads", "a thread per connection", in(load, &with_threads));
    if (!ring::available()) {
        return;
    }
    rows.against("liburing", "liburing by hand, one thread", in(load, &with_ring));
    comparison(name + "/one_worker", work + ", one worker", measures)
        .with_aloft(in(load, &with_one_worker))
        .against("liburing", "liburing by hand, one thread", in(load, &with_ring));
}

} // namespace

void add_tcp_echo_suite() {
    for (const std::size_t connections : {1U, 50U, 500U}) {
        add({connections, 64}, "64 B");
        add({connections, 4096}, "4 KiB");
    }
}

} // namespace bench

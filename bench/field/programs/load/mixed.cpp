// SPDX-License-Identifier: MIT
#include "loads.hpp"
#include "open_loop.hpp"
#include "server_process.hpp"

#include "../measure.hpp"

#include <random>

namespace field {

void mixed_load(char** arguments, char** command) {
    const std::size_t connections = std::strtoull(arguments[0], nullptr, 10);
    const double rate = std::strtod(arguments[1], nullptr);
    const double seconds = std::strtod(arguments[2], nullptr) * 1e-3;
    std::mt19937_64 random(std::strtoull(arguments[3], nullptr, 10));
    const server_process server(command, placement::anywhere);
    open_loop load(server.port(), connections, rate);
    const processor_time before = server.used();
    constexpr double warm_up = 0.3;
    load.run(warm_up, seconds, [&](double) {
        return random() % 400 == 0 ? kind_of_request::heavy : kind_of_request::light;
    });
    report("cpu_share", (server.used().total() - before.total()) / (seconds + warm_up));
    report("real_time", load.real_time() ? 1 : 0);
    report_delays("light", load.light);
    if (!load.heavy.empty()) {
        report_delays("heavy", load.heavy);
    }
    report_delays("late", load.late);
}

void hog_load(char** arguments, char** command) {
    const std::size_t connections = std::strtoull(arguments[0], nullptr, 10);
    const double rate = std::strtod(arguments[1], nullptr);
    std::size_t hogs = std::strtoull(arguments[2], nullptr, 10);
    const server_process server(command, placement::anywhere);
    open_loop load(server.port(), connections, rate);
    constexpr double warm_up = 0.3;
    load.run(warm_up, 1.0, [&](double at) {
        if (at < warm_up || hogs == 0) {
            return kind_of_request::light;
        }
        --hogs;
        return kind_of_request::hog;
    });
    report_delays("echo", load.light);
    report_delays("late", load.late);
}

} // namespace field

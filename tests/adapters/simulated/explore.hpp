// SPDX-License-Identifier: MIT
// What the adapters' tests in simulated worlds share.
#pragma once

#include "system_calls.hpp"

#include "../../unit/helpers/scale.hpp"

#include <aloft/as_result.hpp>
#include <aloft/detail/base/splitmix.hpp>
#include <aloft/simulate.hpp>
#include <aloft/stop.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <system_error>

namespace adapter_tests {

/// Within a simulation, where Catch2's macros would count far too many assertions.
inline void expect(bool condition, const char* sentence) {
    if (!condition) {
        throw std::logic_error(sentence);
    }
}

/// Windows so small that hardly anything goes out, or comes in, at once.
inline aloft::simulation_options narrow() {
    using namespace std::chrono_literals;
    return aloft::simulation_options{}
        .window_bytes(97)
        .network_delay(1us, 100us)
        .latency(0us, 20us);
}

/// From 0 to `below` - 1.
[[nodiscard]] inline std::size_t drawn(std::uint64_t& dice, std::size_t below) {
    return static_cast<std::size_t>(aloft::detail::splitmix(dice) % below);
}

/// Runs `clients` beside a server, ends both, and looks at what is left.
template <class Server, class Clients>
aloft::task<> beside(Server& server, Clients clients) {
    aloft::stop_source end;
    const auto work = [&]() -> aloft::task<> {
        const auto ended = co_await aloft::as_result(clients());
        // What the clients have closed arrives.
        for (int turn = 0; server.sessions() > 0 && turn < 100; ++turn) {
            co_await aloft::sleep_for(std::chrono::milliseconds(100));
        }
        const std::size_t sessions = server.sessions();
        end.request_stop();
        if (!ended) {
            throw std::system_error(ended.error());
        }
        expect(sessions == 0, "a connection was left open");
    };
    const auto serve = [&]() -> aloft::task<> {
        (void)co_await aloft::as_result(with_stop(end.get_token(), server.serve()));
    };
    co_await aloft::when_all(work(), serve());
}

/// The program holds under every seed, opens sockets and closes all of them, and stops no worker.
template <class Main>
void holds(const aloft::simulation_options& options, Main main, std::size_t count) {
    const system_ledger before = ledger();
    const aloft::exploration found = explore(aloft::seeds{testing::scaled(count)}, options, main);
    INFO("seed " << found.seed() << (found.replayed() ? " (again): " : " (once): ")
                 << found.what());
    CHECK(found.passed());
    CHECK(ledger().opened > before.opened);
    CHECK(ledger().opened - before.opened == ledger().closed - before.closed);
    CHECK(ledger().blocked == 0);
}

} // namespace adapter_tests

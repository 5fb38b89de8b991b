// SPDX-License-Identifier: MIT
// The PostgreSQL adapter in thousands of orders: the real libpq, on the network and the clock of
// simulated worlds, against a server that is a program of these worlds.
//
// What the world stands for is the kernel's part (sockets, readiness, time) and the server's; the
// client is all there. That the real server behaves like the one here is for libpq_test.cpp.

#include "simulated/system_calls.hpp"
#include "simulated/toy_postgres.hpp"

#include "../unit/helpers/scale.hpp"

#include <aloft/adapters/libpq.hpp>
#include <aloft/as_result.hpp>
#include <aloft/clock.hpp>
#include <aloft/simulate.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/when_all_settled.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using adapter_tests::ledger;
using adapter_tests::toy_postgres;
using aloft::as_result;
using aloft::result;
using aloft::simulation_options;
using aloft::task;
using aloft::pq::connection;
using aloft::pq::pool;
using aloft::pq::result_set;
using namespace std::chrono_literals;

void expect(bool condition, const char* sentence) {
    if (!condition) {
        throw std::logic_error(sentence);
    }
}

/// Windows so small that hardly anything goes out, or comes in, at once.
simulation_options narrow() {
    return simulation_options{}.window_bytes(97).network_delay(1us, 100us).latency(0us, 20us);
}

/// A server, and what the clients share.
struct world {
    world(std::uint64_t seed, toy_postgres::habits has) : server(seed, has), dice(seed) {}

    toy_postgres server;
    std::uint64_t dice;
    int statements = 0;
    int answered = 0;
    int failed = 0;

    [[nodiscard]] std::size_t draw(std::size_t below) {
        return static_cast<std::size_t>(aloft::detail::splitmix(dice) % below);
    }

    /// One statement that repeats its values, and what has to be true of its answer.
    task<> echo(connection& link, std::size_t size, const char* sql = "echo") {
        const int number = ++statements;
        const std::string value(size, static_cast<char>('a' + number % 26));
        const auto answer = co_await as_result(link.query(sql, number, value, nullptr));
        if (!answer) {
            ++failed;
            throw std::system_error(answer.error());
        }
        ++answered;
        expect(answer->rows() == 1 && answer->columns() == 3, "an answer of another shape");
        expect(answer->template get<int>(0, 0) == number, "another statement's answer");
        expect(answer->at(0, 1) == value && !answer->at(0, 2), "values have changed");
        expect(server.executed(number) == 1, "it was not carried out once");
    }
};

/// Runs `clients` beside a server, ends both, and looks at what is left.
template <class Clients>
task<> beside_a_server(world& all, Clients clients) {
    aloft::stop_source end;
    const auto work = [&]() -> task<> {
        const auto ended = co_await as_result(clients());
        // What the clients have closed arrives.
        for (int turn = 0; all.server.sessions() > 0 && turn < 100; ++turn) {
            co_await aloft::sleep_for(100ms);
        }
        const std::size_t sessions = all.server.sessions();
        end.request_stop();
        if (!ended) {
            throw std::system_error(ended.error());
        }
        expect(sessions == 0, "a connection was left open");
    };
    const auto serve = [&]() -> task<> {
        (void)co_await as_result(with_stop(end.get_token(), all.server.serve()));
    };
    co_await aloft::when_all(work(), serve());
}

/// All its permits are there, and whoever asks gets an answer.
task<> nothing_is_lost(pool& connections) {
    std::vector<pool::lease> held;
    while (held.size() < connections.maximum()) {
        auto lease = co_await as_result(connections.acquire());
        if (lease) {
            held.push_back(std::move(*lease));
        }
    }
    expect(connections.spare() == 0, "more connections than permits");
}

template <class Main>
void holds(const simulation_options& options, Main main, std::uint64_t count) {
    const adapter_tests::system_ledger before = ledger();
    const aloft::exploration found = explore(aloft::seeds{testing::scaled(count)}, options, main);
    INFO("seed " << found.seed() << (found.replayed() ? " (again): " : " (once): ")
                 << found.what());
    CHECK(found.passed());
    CHECK(ledger().opened > before.opened);
    CHECK(ledger().opened - before.opened == ledger().closed - before.closed);
    CHECK(ledger().blocked == 0);
}

TEST_CASE("every statement is answered once, with its own rows, however little goes out at a time",
          "[libpq]") {
    const auto program = [](std::uint64_t seed) -> task<> {
        world all(seed, {});
        const auto clients = [&]() -> task<> {
            pool connections(std::string(toy_postgres::conninfo), 2);
            const auto client = [&](std::size_t size) -> task<> {
                for (int turn = 0; turn < 2; ++turn) {
                    pool::lease mine = co_await connections.acquire();
                    co_await all.echo(*mine, size);
                }
            };
            co_await aloft::when_all(client(0), client(10), client(300), client(700));
            expect(all.answered == 8, "an answer is missing");
            expect(connections.spare() >= 1 && connections.spare() <= 2, "a connection is lost");
            co_await nothing_is_lost(connections);
        };
        co_await beside_a_server(all, clients);
    };
    holds(narrow(), program, 3000);
}

} // namespace

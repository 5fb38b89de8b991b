// SPDX-License-Identifier: MIT
// The PostgreSQL adapter in thousands of orders: the real libpq, on the network and the clock of
// simulated worlds, against a server that is a program of these worlds.
//
// What the world stands for is the kernel's part (sockets, readiness, time) and the server's; the
// client is all there. That the real server behaves like the one here is for libpq_test.cpp.

#include "simulated/explore.hpp"
#include "simulated/toy_postgres.hpp"

#include <aloft/adapters/libpq.hpp>
#include <aloft/as_result.hpp>
#include <aloft/clock.hpp>
#include <aloft/simulate.hpp>
#include <aloft/spawn.hpp>
#include <aloft/task.hpp>
#include <aloft/task_group.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_timeout.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using adapter_tests::beside;
using adapter_tests::expect;
using adapter_tests::holds;
using adapter_tests::narrow;
using adapter_tests::toy_postgres;
using aloft::as_result;
using aloft::simulation_options;
using aloft::task;
using aloft::pq::connection;
using aloft::pq::pool;
using aloft::pq::result_set;
using namespace std::chrono_literals;

/// A server, and what the clients share.
struct world {
    world(std::uint64_t seed, toy_postgres::habits has) : server(seed, has), dice(seed) {}

    toy_postgres server;
    std::uint64_t dice;
    int statements = 0;
    int answered = 0;
    int failed = 0;

    [[nodiscard]] std::size_t draw(std::size_t below) { return adapter_tests::drawn(dice, below); }

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

/// A server's farewell is printed otherwise.
void be_quiet(const connection& link) {
    (void)PQsetNoticeProcessor(link.native_handle(), [](void*, const char*) {}, nullptr);
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
        co_await beside(all.server, clients);
    };
    holds(narrow(), program, 3000);
}

/// What a connection that broke may end a statement with.
bool is_broken(const std::error_code& code) {
    return code == std::errc::connection_reset || code == std::errc::connection_refused;
}

TEST_CASE("whatever breaks, a statement ends once, and the pool replaces what it lost", "[libpq]") {
    std::size_t answered = 0;
    std::size_t broken = 0;
    const auto program = [&](std::uint64_t seed) -> task<> {
        world all(seed, {.turned_away = 0.05, .gone_meanwhile = 0.1});
        const auto clients = [&]() -> task<> {
            pool connections(std::string(toy_postgres::conninfo), 2);
            const auto client = [&]() -> task<> {
                for (int turn = 0; turn < 3; ++turn) {
                    auto mine = co_await as_result(connections.acquire());
                    if (!mine) {
                        expect(is_broken(mine.error()), "connecting ended with another error");
                        continue;
                    }
                    connection& link = **mine;
                    be_quiet(link);
                    constexpr std::array<const char*, 8> kinds{"echo",   "rows",  "fail", "die",
                                                               "vanish", "begin", "copy", "echo"};
                    const std::size_t kind = all.draw(kinds.size());
                    const int number = ++all.statements;
                    const std::string value(all.draw(300), 'v');
                    const auto answer =
                        co_await as_result(link.query(kinds.at(kind), number, value));
                    expect(all.server.executed(number) <= 1, "it was carried out twice");
                    if (answer) {
                        ++answered;
                        expect(all.server.executed(number) == 1, "an answer to nothing");
                        expect(answer->rows() == (kind == 1   ? 50U
                                                  : kind == 5 ? 0U
                                                              : 1U),
                               "rows are missing");
                        expect(link.idle() == (kind != 5), "not what the server said");
                    } else if (!is_broken(answer.error())) {
                        const auto state = [&](const char* code) {
                            return answer.error() == aloft::pq::sqlstate_code(code);
                        };
                        expect((kind == 2 && state("22012")) || (kind == 6 && state("0A000")),
                               "another error");
                        expect(kind == 2 || link.bad(), "in the middle of COPY, and not bad");
                    } else {
                        ++broken;
                        expect(link.bad() && !link.idle(), "a broken connection that is not bad");
                    }
                }
            };
            co_await aloft::when_all(client(), client(), client());
            co_await nothing_is_lost(connections);
        };
        co_await beside(all.server, clients);
    };
    holds(narrow().resets(0.003).refusals(0.05), program, 3000);
    CHECK(answered > 0);
    CHECK(broken > 0);
}

task<> use(world& all, pool& connections) {
    pool::lease mine = co_await connections.acquire();
    co_await all.echo(*mine, 200);
    co_await all.echo(*mine, 0);
}

TEST_CASE("a stop at any time ends an acquire or a statement, and the pool has all it had",
          "[libpq]") {
    std::size_t in_time = 0;
    std::size_t stopped = 0;
    const auto program = [&](std::uint64_t seed) -> task<> {
        world all(seed, {});
        const auto clients = [&]() -> task<> {
            pool connections(std::string(toy_postgres::conninfo), 2);
            const auto client = [&]() -> task<> {
                for (int turn = 0; turn < 2; ++turn) {
                    const std::chrono::microseconds limit(all.draw(30'000));
                    const auto ended =
                        co_await as_result(aloft::with_timeout(limit, use(all, connections)));
                    expect(ended || ended.error() == std::errc::timed_out, "another error");
                    ++(ended ? in_time : stopped);
                    expect(connections.spare() <= 2, "more connections than permits");
                }
            };
            co_await aloft::when_all(client(), client(), client());
            co_await nothing_is_lost(connections);
        };
        co_await beside(all.server, clients);
        for (int number = 1; number <= all.statements; ++number) {
            expect(all.server.executed(number) <= 1, "it was carried out twice");
        }
    };
    holds(narrow(), program, 3000);
    CHECK(in_time > 0);
    CHECK(stopped > 0);
}

TEST_CASE("a cancel hits the statement that it was meant for, or none", "[libpq]") {
    std::size_t canceled = 0;
    std::size_t too_late = 0;
    std::size_t reused = 0;
    const auto program = [&](std::uint64_t seed) -> task<> {
        world all(seed, {.lost_cancels = 0.1});
        const auto clients = [&]() -> task<> {
            pool connections(std::string(toy_postgres::conninfo), 1);
            // What the group's tasks refer to is out here: the body ends before they do.
            const auto cancel = [](task<> request) -> task<> {
                (void)co_await as_result(std::move(request));
            };
            const auto to_be_canceled = [&](aloft::task_group& group) -> task<> {
                pool::lease mine = co_await connections.acquire();
                group.spawn(cancel(mine->cancel())); // and nobody waits for that
                const auto ended = co_await as_result(mine->query("echo", ++all.statements));
                expect(ended || ended.error() == aloft::pq::sqlstate_code("57014"),
                       "another error");
                ++(ended ? too_late : canceled);
            };
            const auto bystander = [&]() -> task<> {
                pool::lease mine = co_await connections.acquire();
                co_await all.echo(*mine, 10); // fails if it is canceled
            };
            const auto body = [&](aloft::task_group& group) -> task<> {
                group.spawn(to_be_canceled(group));
                group.spawn(bystander());
                group.spawn(to_be_canceled(group));
                group.spawn(bystander());
                co_return;
            };
            co_await aloft::with_task_group(body);
            reused += connections.spare();
            co_await nothing_is_lost(connections);
        };
        co_await beside(all.server, clients);
    };
    simulation_options options = narrow();
    options.blocking_delay(0us, 4ms);
    holds(options, program, 3000);
    CHECK(canceled > 0);
    CHECK(too_late > 0);
    CHECK(reused > 0);
}

TEST_CASE("who takes a connection from the pool gets one that the server has not ended",
          "[libpq]") {
    std::size_t replaced = 0;
    const auto program = [&](std::uint64_t seed) -> task<> {
        world all(seed, {.gone_meanwhile = 0.3});
        const auto clients = [&]() -> task<> {
            pool connections(std::string(toy_postgres::conninfo), 2);
            const auto client = [&]() -> task<> {
                int before = 0;
                for (int turn = 0; turn < 3; ++turn) {
                    pool::lease mine = co_await connections.acquire();
                    be_quiet(*mine);
                    replaced += before != 0 && mine->backend_process() != before ? 1U : 0U;
                    before = mine->backend_process();
                    co_await all.echo(*mine, 10);
                    co_await aloft::sleep_for(10ms); // by then it is known here, if it has ended
                }
            };
            co_await aloft::when_all(client(), client());
        };
        co_await beside(all.server, clients);
    };
    // A farewell in pieces takes more reads than libpq makes to find the end behind it.
    holds(narrow().short_transfers(0).window_bytes(65536), program, 2000);
    CHECK(replaced > 0);
}

TEST_CASE("a connection comes about, or is given up, when connect_timeout says so", "[libpq]") {
    std::size_t connected = 0;
    std::size_t late = 0;
    const auto program = [&](std::uint64_t seed) -> task<> {
        world all(seed, {.silent = 0.3});
        const auto clients = [&]() -> task<> {
            const auto client = [&]() -> task<> {
                const auto start = aloft::clock::now();
                auto link = co_await as_result(connection::connect(
                    std::string(toy_postgres::conninfo) + " connect_timeout=2"));
                const auto took = aloft::clock::now() - start;
                if (link) {
                    ++connected;
                    co_await all.echo(*link, 5);
                } else if (link.error() == aloft::pq::sqlstate_code("08001")) {
                    ++(took < 1s ? connected : late);
                    expect(took < 1s || took >= 2s, "given up before the time");
                }
                expect(took < 2100ms, "given up much later");
            };
            co_await aloft::when_all(client(), client());
        };
        co_await beside(all.server, clients);
    };
    holds(narrow().refusals(0.1), program, 2000);
    CHECK(connected > 0);
    CHECK(late > 0);
}

TEST_CASE(
    "statements that share a connection: one runs, the other is refused, no answer is mixed up",
    "[libpq]") {
    std::size_t refused = 0;
    const auto program = [&](std::uint64_t seed) -> task<> {
        world all(seed, {});
        const auto clients = [&]() -> task<> {
            connection link = co_await connection::connect(std::string(toy_postgres::conninfo));
            co_await link.prepare("again", "echo");
            const auto client = [&](bool prepared) -> task<> {
                co_await aloft::sleep_for(std::chrono::microseconds(all.draw(3'000)));
                const int number = ++all.statements;
                task<result_set> statement =
                    prepared ? link.query_prepared("again", number) : link.query("echo", number);
                const auto ended = co_await as_result(std::move(statement));
                if (ended) {
                    expect(ended->get<int>(0, 0) == number, "another statement's answer");
                } else {
                    ++refused;
                    expect(ended.error() == aloft::pq::sqlstate_code("55006"), "another error");
                    expect(all.server.executed(number) == 0, "refused, and yet carried out");
                }
            };
            co_await aloft::when_all(client(false), client(true), client(false));
            expect(link.idle(), "it is not idle afterwards");
        };
        co_await beside(all.server, clients);
    };
    holds(narrow(), program, 2000);
    CHECK(refused > 0);
}

TEST_CASE("a runtime that ends at any time takes connections and statements with it", "[libpq]") {
    std::size_t ended = 0;
    const auto program = [&](std::uint64_t seed) -> task<> {
        const auto all = std::make_shared<world>(seed, toy_postgres::habits{});
        const auto serve = [](std::shared_ptr<world> in) -> task<> {
            (void)co_await as_result(in->server.serve());
        };
        const auto client = [](std::shared_ptr<world> in, std::shared_ptr<pool> connections,
                               std::size_t& count) -> task<> {
            const auto go_on = [](world& with, pool& from) -> task<> {
                for (;;) {
                    co_await use(with, from);
                }
            };
            (void)co_await as_result(go_on(*in, *connections));
            ++count;
        };
        const auto connections = std::make_shared<pool>(std::string(toy_postgres::conninfo), 2);
        spawn(serve(all)).detach();
        for (int each = 0; each < 3; ++each) {
            spawn(client(all, connections, ended)).detach();
        }
        co_await aloft::sleep_for(std::chrono::microseconds(all->draw(20'000)));
    };
    const std::size_t seeds = 2000;
    holds(narrow(), program, seeds);
    CHECK(ended == 3 * testing::scaled(seeds));
}

} // namespace

// SPDX-License-Identifier: MIT
// The PostgreSQL adapter against a server of its own, on every backend of this build.

#include "support.hpp"

#include "../../examples/user_page/throwaway_postgres.hpp"

#include <aloft/adapters/libpq.hpp>
#include <aloft/as_result.hpp>
#include <aloft/result.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using adapter_tests::any_backend;
using adapter_tests::open_descriptors;
using aloft::sync_wait;
using aloft::task;
using aloft::pq::connection;
using aloft::pq::pool;
using aloft::pq::result_set;
using Catch::Matchers::ContainsSubstring;
using namespace std::chrono_literals;

/// One cluster for the whole program; the test is skipped where there is no server.
std::string database() {
    if (!user_page::throwaway_postgres::available()) {
        SKIP("no PostgreSQL server on this machine");
    }
    static const user_page::throwaway_postgres server(32);
    return server.conninfo();
}

/// What a statement ended with; empty if it did not fail. A coroutine cannot await in a handler.
task<std::optional<aloft::pq::error>> failure_of(task<result_set> statement) {
    try {
        co_await std::move(statement);
    } catch (const aloft::pq::error& failed) {
        co_return failed;
    }
    co_return std::nullopt;
}

template <class Statement>
std::optional<aloft::pq::error> failure(aloft::runtime& rt, Statement statement) {
    return sync_wait(rt, failure_of(std::move(statement)));
}

/// Until the server's process is inside pg_sleep.
task<> until_asleep(connection& watcher, int process) {
    for (bool asleep = false; !asleep;) {
        const result_set found = co_await watcher.query(
            "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", process);
        asleep = !found.empty();
    }
}

TEST_CASE("values go to the server and come back as what they were", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    const result_set row = sync_wait(
        rt, link.query("SELECT $1::int + 1 AS number, $2::text, $3::bool, $4::float8, $5::text AS "
                       "\"Quoted\", $6::bigint",
                       41, "it's; DROP TABLE users", true, 0.1, std::string("\u00fc\u4e16"),
                       std::optional<long long>(-9'000'000'000)));
    REQUIRE(row.rows() == 1);
    REQUIRE(row.columns() == 6);
    CHECK(row.get<int>(0, 0) == 42);
    CHECK(row.at(0, 1) == "it's; DROP TABLE users");
    CHECK(row.get<bool>(0, 2));
    CHECK(row.get<double>(0, 3) == 0.1);
    CHECK(row.get<std::string>(0, 4) == "\u00fc\u4e16");
    CHECK(row.get<long long>(0, 5) == -9'000'000'000);
    CHECK(row.column_name(0) == "number");
    CHECK(row.column("Quoted") == 4);
    CHECK_THROWS_AS(row.column("quoted"), std::out_of_range);
    CHECK_THROWS_AS(row.at(1, 0), std::out_of_range);
    CHECK_THROWS_AS(row.at(0, 6), std::out_of_range);
    CHECK(link.idle());
    CHECK(link.backend_process() > 0);
}

TEST_CASE("NULL is told from the empty string, both ways", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    const result_set row = sync_wait(
        rt, link.query("SELECT $1::text IS NULL, $2::text IS NULL, $3::text, $4::text, $5::int",
                       nullptr, "", std::nullopt, "", std::optional<int>()));
    CHECK(row.get<bool>(0, 0));
    CHECK_FALSE(row.get<bool>(0, 1));
    CHECK(row.at(0, 2) == std::nullopt);
    CHECK(row.at(0, 3) == "");
    CHECK(row.get<std::optional<int>>(0, 4) == std::nullopt);
    CHECK(row.get<std::optional<std::string>>(0, 3) == "");
    CHECK_THROWS_WITH(row.get<int>(0, 4), ContainsSubstring("is NULL"));
}

TEST_CASE("a prepared statement is parsed once and known by its name", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    sync_wait(rt, link.prepare("sum", "SELECT $1::int + $2::int"));
    for (int number = 0; number < 10; ++number) {
        CHECK(sync_wait(rt, link.query_prepared("sum", number, 1)).get<int>(0, 0) == number + 1);
    }
    const auto missing = failure(rt, link.query_prepared("nothing_like_it"));
    REQUIRE(missing);
    CHECK(missing->sqlstate() == "26000");
    CHECK(missing->statement() == "nothing_like_it");
    const auto malformed = failure(rt, link.prepare("broken", "SELEC 1"));
    REQUIRE(malformed);
    CHECK(malformed->sqlstate() == "42601");
    CHECK(malformed->statement() == "SELEC 1");
    CHECK(link.idle());
}

TEST_CASE("rows that were changed are counted", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    sync_wait(rt, link.query("CREATE TEMPORARY TABLE counted (id int)"));
    CHECK(sync_wait(rt, link.query("INSERT INTO counted SELECT generate_series(1, 7)"))
              .affected_rows() == 7);
    CHECK(sync_wait(rt, link.query("DELETE FROM counted WHERE id > $1", 4)).affected_rows() == 3);
    const result_set none = sync_wait(rt, link.query("SELECT id FROM counted WHERE id > 100"));
    CHECK(none.empty());
    CHECK(none.columns() == 1);
    CHECK(sync_wait(rt, link.query("")).columns() == 0);
}

TEST_CASE("a result of ten megabytes arrives whole", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    const result_set rows = sync_wait(
        rt,
        link.query("SELECT n, repeat(chr(65 + n % 26), 10240) FROM generate_series(0, $1::int) n",
                   1023));
    REQUIRE(rows.rows() == 1024);
    std::size_t wrong = 0;
    for (std::size_t row = 0; row < rows.rows(); ++row) {
        const std::string expected(10240, static_cast<char>('A' + row % 26));
        wrong += rows.get<std::size_t>(row, 0) != row || rows.at(row, 1) != expected ? 1U : 0U;
    }
    CHECK(wrong == 0);
}

TEST_CASE("statements and values of many megabytes do not deadlock", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    const std::string large(32U << 20U, 'x');
    const result_set both_ways = sync_wait(
        rt, link.query("SELECT length($1), $1 /* " + std::string(4U << 20U, '-') + " */", large));
    CHECK(both_ways.get<std::size_t>(0, 0) == large.size());
    CHECK(both_ways.at(0, 1) == large);
}

TEST_CASE("a malformed statement is an error that names it, and leaves the connection usable",
          "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    const auto failed = failure(rt, link.query("SELEC 1"));
    REQUIRE(failed);
    CHECK(failed->sqlstate() == "42601");
    CHECK(failed->statement() == "SELEC 1");
    CHECK(failed->code() == aloft::pq::sqlstate_code("42601"));
    CHECK(std::string_view(failed->what()) ==
          "query \"SELEC 1\": syntax error at or near \"SELEC\": SQLSTATE 42601");
    CHECK(link.idle());
    CHECK(sync_wait(rt, link.query("SELECT 1")).get<int>(0, 0) == 1);
}

TEST_CASE("an error in a long statement does not repeat all of it", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    const std::string statement = "SELECT nothing_like_it /* " + std::string(100'000, '-') + " */";
    const auto failed = failure(rt, link.query(statement));
    REQUIRE(failed);
    CHECK(failed->sqlstate() == "42703");
    CHECK(std::string_view(failed->what()).size() < 500);
    CHECK(failed->statement() == statement);
}

TEST_CASE("a value of the wrong type is refused by the server, and by get()", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    const auto refused = failure(rt, link.query("SELECT $1::int", "forty-two"));
    REQUIRE(refused);
    CHECK(refused->sqlstate() == "22P02");
    CHECK(refused->code() == std::errc::invalid_argument);
    const result_set row =
        sync_wait(rt, link.query("SELECT 'seven' AS word, '7 '::text AS almost"));
    CHECK_THROWS_WITH(row.get<int>(0, 0), ContainsSubstring("\"word\" holds \"seven\""));
    CHECK_THROWS_AS(row.get<int>(0, 1), aloft::pq::error);
    CHECK_THROWS_AS(row.get<bool>(0, 0), aloft::pq::error);
    const auto too_few = failure(rt, link.query("SELECT $1::int + $2::int", 1));
    REQUIRE(too_few);
    CHECK(too_few->sqlstate() == "08P01");
    CHECK_THROWS_AS(link.query("SELECT $1", std::string("a\0b", 3)), std::system_error);
    CHECK(link.idle());
}

TEST_CASE("errors of a statement are results where they are asked for as such", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    const auto body = [&]() -> task<std::error_code> {
        aloft::result<result_set> answer = co_await aloft::as_result(link.query("SELECT 1/0"));
        co_return answer ? std::error_code() : answer.error();
    };
    CHECK(sync_wait(rt, body()) == aloft::pq::sqlstate_code("22012"));
}

TEST_CASE("COPY is refused instead of waited for", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    const auto failed = failure(rt, link.query("COPY (SELECT 1) TO STDOUT"));
    REQUIRE(failed);
    CHECK(failed->sqlstate() == "0A000");
    CHECK(link.bad());
}

TEST_CASE("a second statement on a busy connection is refused", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    connection watcher = sync_wait(rt, connection::connect(where));
    const auto body = [&]() -> task<std::string> {
        auto first = aloft::spawn(link.query("SELECT pg_sleep(60)"));
        co_await until_asleep(watcher, link.backend_process());
        const std::optional<aloft::pq::error> second = co_await failure_of(link.query("SELECT 1"));
        co_await link.cancel();
        static_cast<void>(co_await aloft::as_result(std::move(first)));
        co_return second ? std::string(second->sqlstate()) : std::string();
    };
    CHECK(sync_wait(rt, body()) == "55006");
}

TEST_CASE("cancel ends a statement that sleeps for a minute, and the connection lives on",
          "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection link = sync_wait(rt, connection::connect(where));
    connection watcher = sync_wait(rt, connection::connect(where));
    const auto start = std::chrono::steady_clock::now();
    const auto body = [&]() -> task<std::error_code> {
        auto sleeper = aloft::spawn(link.query("SELECT pg_sleep(60)"));
        co_await until_asleep(watcher, link.backend_process());
        co_await link.cancel();
        aloft::result<result_set> ended = co_await aloft::as_result(std::move(sleeper));
        co_return ended ? std::error_code() : ended.error();
    };
    const std::error_code ended = sync_wait(rt, body());
    CHECK(ended == aloft::pq::sqlstate_code("57014"));
    CHECK(ended == std::errc::operation_canceled);
    CHECK(std::chrono::steady_clock::now() - start < 30s);
    CHECK(link.idle());
    CHECK(sync_wait(rt, link.query("SELECT 7")).get<int>(0, 0) == 7);
    sync_wait(rt, link.cancel()); // too late for anything: no error
}

TEST_CASE("a connection that the server ends is an error, and bad from then on", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    connection victim = sync_wait(rt, connection::connect(where));
    connection killer = sync_wait(rt, connection::connect(where));

    SECTION("while a statement waits") {
        const auto body = [&]() -> task<std::optional<aloft::pq::error>> {
            auto sleeper = aloft::spawn(failure_of(victim.query("SELECT pg_sleep(60)")));
            co_await until_asleep(killer, victim.backend_process());
            co_await killer.query("SELECT pg_terminate_backend($1)", victim.backend_process());
            co_return co_await std::move(sleeper);
        };
        const auto failed = sync_wait(rt, body());
        REQUIRE(failed);
        CHECK(failed->sqlstate() == "57P01");
        CHECK(failed->code() == std::errc::connection_reset);
        CHECK_THAT(failed->what(), ContainsSubstring("administrator command"));
    }
    SECTION("between statements") {
        sync_wait(rt,
                  killer.query("SELECT pg_terminate_backend($1, 10000)", victim.backend_process()));
        const auto failed = failure(rt, victim.query("SELECT 1"));
        REQUIRE(failed);
        CHECK(failed->code() == std::errc::connection_reset);
    }
    CHECK(victim.bad());
    CHECK_FALSE(victim.idle());
    const auto again = failure(rt, victim.query("SELECT 1"));
    REQUIRE(again);
    CHECK(again->code() == std::errc::connection_reset);
}

TEST_CASE("the pool replaces what was lost, busy or in the middle of a transaction", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    pool connections(where, 2);
    const auto process_of = [&]() -> task<int> {
        pool::lease mine = co_await connections.acquire();
        const result_set row = co_await mine->query("SELECT pg_backend_pid()");
        co_return row.get<int>(0, 0);
    };
    const int first = sync_wait(rt, process_of());
    CHECK(sync_wait(rt, process_of()) == first); // the same one again
    CHECK(connections.spare() == 1);

    SECTION("ended by the server while nobody used it") {
        connection killer = sync_wait(rt, connection::connect(where));
        sync_wait(rt, killer.query("SELECT pg_terminate_backend($1, 10000)", first));
    }
    SECTION("ended by the server in use") {
        const auto suicide = [&]() -> task<std::optional<aloft::pq::error>> {
            pool::lease mine = co_await connections.acquire();
            co_return co_await failure_of(
                mine->query("SELECT pg_terminate_backend(pg_backend_pid(), 10000)"));
        };
        const auto failed = sync_wait(rt, suicide());
        REQUIRE(failed);
        CHECK(failed->code() == std::errc::connection_reset);
        CHECK(connections.spare() == 0);
    }
    SECTION("given back inside a transaction") {
        const auto forgetful = [&]() -> task<> {
            pool::lease mine = co_await connections.acquire();
            co_await mine->query("BEGIN");
        };
        sync_wait(rt, forgetful());
        CHECK(connections.spare() == 0);
    }
    const int second = sync_wait(rt, process_of());
    CHECK(second != first);
    CHECK(sync_wait(rt, process_of()) == second);
}

TEST_CASE("a hundred tasks share four connections", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    pool connections(where, 4);
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    const auto one = [&](int number) -> task<int> {
        pool::lease mine = co_await connections.acquire();
        const int now = ++inside;
        for (int seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        const result_set row = co_await mine->query("SELECT $1::int * 2, pg_backend_pid()", number);
        --inside;
        co_return row.get<int>(0, 0);
    };
    std::vector<task<int>> all;
    for (int number = 0; number < 100; ++number) {
        all.push_back(one(number));
    }
    const std::vector<int> doubled = sync_wait(rt, aloft::when_all(std::move(all)));
    REQUIRE(doubled.size() == 100);
    for (std::size_t number = 0; number < doubled.size(); ++number) {
        CHECK(doubled[number] == static_cast<int>(number) * 2);
    }
    CHECK(most.load() <= 4);
    CHECK(connections.spare() <= 4);
    CHECK(connections.spare() >= 1);
}

TEST_CASE("open() makes the connections that will be needed", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    pool connections(where, 6);
    sync_wait(rt, connections.open(100));
    CHECK(connections.spare() == 6);
    CHECK_THROWS_AS(pool(where, 0), std::system_error);
}

TEST_CASE("a lease may outlive its pool", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    auto connections = std::make_unique<pool>(where, 1);
    const auto body = [&]() -> task<int> {
        pool::lease mine = co_await connections->acquire();
        connections.reset();
        const result_set row = co_await mine->query("SELECT 5");
        co_return row.get<int>(0, 0);
    };
    CHECK(sync_wait(rt, body()) == 5);
}

TEST_CASE("a server that is not there is an error that says so", "[libpq]") {
    aloft::runtime rt(any_backend());
    const auto connecting = [&](std::string where) {
        std::optional<aloft::pq::error> failed;
        try {
            sync_wait(rt, connection::connect(std::move(where)));
        } catch (const aloft::pq::error& caught) {
            failed = caught;
        }
        return failed;
    };
    SECTION("no socket") {
        const auto failed = connecting("host=/nonexistent-folder dbname=postgres user=nobody");
        REQUIRE(failed);
        CHECK(failed->sqlstate() == "08001");
        CHECK(failed->code() == std::errc::connection_refused);
        CHECK_THAT(failed->what(), ContainsSubstring("/nonexistent-folder"));
    }
    SECTION("no listener") {
        const auto failed = connecting("host=127.0.0.1 port=1 user=nobody dbname=none");
        REQUIRE(failed);
        CHECK_THAT(failed->what(), ContainsSubstring("Connection refused"));
    }
    SECTION("a name, resolved off the workers") {
        const auto failed = connecting("host=localhost port=1 user=nobody dbname=none");
        REQUIRE(failed);
        CHECK_THAT(failed->what(), ContainsSubstring("localhost"));
        CHECK_THAT(failed->what(), ContainsSubstring("Connection refused"));
    }
    SECTION("a string that is none") {
        const auto failed = connecting("nonsense");
        REQUIRE(failed);
        CHECK_THAT(failed->what(), ContainsSubstring("nonsense"));
    }
    SECTION("a pool hands its permit on") {
        pool connections("host=/nonexistent-folder", 1);
        for (int turn = 0; turn < 3; ++turn) {
            CHECK_THROWS_AS(sync_wait(rt, connections.acquire()), aloft::pq::error);
        }
    }
}

TEST_CASE("a database that does not exist is named", "[libpq]") {
    const std::string where = database();
    aloft::runtime rt(any_backend());
    CHECK_THROWS_WITH(sync_wait(rt, connection::connect(where + " dbname=missing")),
                      ContainsSubstring("missing"));
}

TEST_CASE("a connection that never was refuses everything", "[libpq]") {
    aloft::runtime rt(any_backend());
    connection none;
    CHECK(none.bad());
    CHECK_FALSE(none.idle());
    CHECK_THROWS_AS(none.query("SELECT 1"), aloft::pq::error);
    CHECK_THROWS_AS(sync_wait(rt, none.cancel()), aloft::pq::error);
}

TEST_CASE("no descriptor is left behind, whatever happened", "[libpq]") {
    const std::string where = database();
    const aloft::runtime_options options = any_backend();
    const std::size_t before = open_descriptors();
    {
        aloft::runtime rt(options);
        pool connections(where, 4);
        sync_wait(rt, connections.open(4));
        const auto failing = [&]() -> task<> {
            pool::lease mine = co_await connections.acquire();
            co_await failure_of(mine->query("SELEC 1"));
            co_await failure_of(mine->query("SELECT 1/0"));
            co_await failure_of(
                mine->query("SELECT pg_terminate_backend(pg_backend_pid(), 10000)"));
        };
        sync_wait(rt, failing());
        CHECK_THROWS(sync_wait(rt, connection::connect("host=/nonexistent-folder")));
        sync_wait(rt, connections.open(4));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a runtime that ends takes a waiting statement with it", "[libpq]") {
    const std::string where = database();
    const aloft::runtime_options options = any_backend();
    const std::size_t before = open_descriptors();
    {
        auto connections = std::make_unique<pool>(where, 1);
        std::atomic<bool> started = false;
        std::atomic<bool> ended = false;
        {
            const auto body = [&]() -> task<> {
                pool::lease mine = co_await connections->acquire();
                started = true;
                static_cast<void>(co_await aloft::as_result(mine->query("SELECT pg_sleep(60)")));
                ended = true;
            };
            aloft::runtime rt(options); // after the lambda that its tasks run in
            aloft::join_handle<void> waiting = aloft::spawn(rt, body());
            while (!started) {
                std::this_thread::sleep_for(1ms);
            }
            waiting.detach();
        }
        CHECK(ended);
        CHECK(connections->spare() == 0); // its statement was under way: of no further use
    }
    CHECK(open_descriptors() == before);
}

} // namespace

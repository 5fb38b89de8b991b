// SPDX-License-Identifier: MIT
// barrier: nobody is a phase ahead, and who gave up has not arrived.
#include <aloft/barrier.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/yield.hpp>

#include "helpers/child_process.hpp"
#include "helpers/races.hpp"
#include "helpers/scale.hpp"
#include "helpers/seed.hpp"
#include "helpers/waiting.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

using aloft::barrier;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using test_support::workers;
using testing::end;

TEST_CASE("tasks meet at a barrier phase after phase, and its function runs once in between") {
    const std::uint64_t seed = testing::make_seed("tasks meet at a barrier");
    constexpr std::size_t count = 8;
    const std::size_t phases = testing::scaled(2'000);
    runtime rt(workers(4));
    std::vector<std::size_t> steps(
        count); // plain: each is written by its task, read by the function
    std::size_t completed = 0;
    std::size_t wrong = 0;
    auto completion = [&]() noexcept {
        ++completed;
        for (const std::size_t each : steps) {
            wrong += each == completed ? 0 : 1;
        }
    };
    barrier b(static_cast<std::ptrdiff_t>(count), completion);
    auto works = [&](std::size_t index) -> task<std::size_t> {
        testing::dice dice(seed + index);
        std::size_t bad = 0;
        for (std::size_t i = 1; i <= phases; ++i) {
            ++steps[index];
            if (dice.below(4) == 0) {
                co_await aloft::yield();
            }
            co_await b.arrive_and_wait();
            bad += completed == i ? 0 : 1;
            co_await b.arrive_and_wait(); // so that nobody writes while another one looks
            bad += completed == i + 1 ? 0 : 1;
            ++i;
            ++steps[index];
        }
        co_return bad;
    };
    std::vector<task<std::size_t>> tasks;
    for (std::size_t i = 0; i < count; ++i) {
        tasks.push_back(works(i));
    }
    std::size_t bad = 0;
    for (const std::size_t each : sync_wait(rt, aloft::when_all(std::move(tasks)))) {
        bad += each;
    }
    CHECK(bad == 0);
    CHECK(completed >= phases);
}

TEST_CASE("one that drops is not expected any more, and may be the last to arrive") {
    runtime rt(workers(1));
    int completed = 0;
    auto completion = [&]() noexcept { ++completed; };
    barrier b(3, completion);
    int through = 0;
    auto waits = [&]() -> task<> {
        co_await b.arrive_and_wait();
        ++through;
    };
    auto parent = [&]() -> task<bool> {
        auto one = spawn(waits());
        co_await testing::settle();
        b.arrive_and_drop();
        co_await testing::settle();
        bool right = through == 0 && completed == 0;
        co_await b.arrive_and_wait(); // the third
        co_await one;
        right = right && through == 1 && completed == 1;
        auto two = spawn(waits());
        co_await testing::settle();
        b.arrive_and_drop(); // the last one of this phase
        co_await two;
        right = right && through == 2 && completed == 2;
        co_await b.arrive_and_wait(); // alone
        right = right && completed == 3;
        b.arrive_and_drop();
        co_return right&& completed == 4;
    };
    CHECK(sync_wait(rt, parent()));
}

TEST_CASE("waiting at a barrier gives up in every way, and has not arrived then") {
    int completed = 0;
    auto completion = [&]() noexcept { ++completed; };
    barrier b(2, completion);
    testing::gives_up_in_every_way([&] { return b.arrive_and_wait(); });
    CHECK(completed == 0);
    runtime rt(workers(1));
    auto both = [&]() -> task<> {
        co_await aloft::when_all(b.arrive_and_wait(), b.arrive_and_wait());
    };
    sync_wait(rt, both());
    CHECK(completed == 1);
}

TEST_CASE("the last arrival and a stop request race, and either all have arrived or it has not") {
    int completed = 0;
    auto completion = [&]() noexcept { ++completed; };
    std::optional<barrier<decltype(completion)>> b;
    b.emplace(2, completion);
    testing::races(
        "barrier against stop", 100'000, [&] { return b->arrive_and_wait(); },
        [&] { b->arrive_and_drop(); },
        [&](bool arrived) {
            const bool right = completed == (arrived ? 1 : 0);
            completed = 0;
            b.emplace(2, completion);
            return right;
        });
}

TEST_CASE("tasks that are stopped at a barrier come again or drop, and all others go on") {
    const std::uint64_t seed = testing::make_seed("tasks that are stopped at a barrier");
    constexpr std::size_t count = 6;
    const std::size_t rounds = testing::scaled(3'000);
    runtime rt(workers(3));
    std::atomic<std::size_t> arrived{0};
    std::atomic<std::size_t> canceled{0};
    std::size_t completed = 0;
    auto completion = [&]() noexcept { ++completed; };
    barrier b(static_cast<std::ptrdiff_t>(count), completion);
    auto stops = [](aloft::stop_source& source, std::size_t turns) -> task<> {
        for (; turns > 0; --turns) {
            co_await aloft::yield();
        }
        source.request_stop();
    };
    auto works = [&](std::size_t index) -> task<> {
        testing::dice dice(seed + index);
        for (std::size_t i = 0; i < rounds; ++i) {
            aloft::stop_source source;
            std::atomic<int> begun{0};
            std::atomic<end> how{end::none};
            auto make = [&] { return b.arrive_and_wait(); };
            co_await aloft::when_all(
                aloft::with_stop(source.get_token(), testing::record(make, begun, how)),
                stops(source, dice.below(30)));
            if (how.load() == end::canceled) {
                canceled.fetch_add(1);
                co_await b.arrive_and_wait(); // comes again, and stays this time
            }
            arrived.fetch_add(1);
        }
        b.arrive_and_drop();
    };
    std::vector<task<>> tasks;
    for (std::size_t i = 0; i < count; ++i) {
        tasks.push_back(works(i));
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(arrived.load() == count * rounds);
    std::printf("stopped at a barrier: %zu of %zu arrivals\n", canceled.load(), arrived.load());
    CHECK(completed == rounds + 1); // the last one when all had dropped
}

TEST_CASE("hidden: arrive at a barrier that expects nobody", "[.]") {
    testing::expect_death();
    barrier b(1);
    b.arrive_and_drop();
    b.arrive_and_drop();
}

TEST_CASE("misuse of a barrier ends the program with a sentence") {
    CHECK(testing::dies_with("hidden: arrive at a barrier that expects nobody",
                             "aloft: more tasks arrived at a barrier than it expects"));
}

// SPDX-License-Identifier: MIT
// auto_event: each set() lets one through, one is remembered, and no set() is missed.
#include <aloft/auto_event.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include "helpers/races.hpp"
#include "helpers/scale.hpp"
#include "helpers/waiting.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

using aloft::auto_event;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using test_support::workers;
using testing::end;

TEST_CASE("an auto_event remembers one set() and no more") {
    auto_event e;
    CHECK_FALSE(e.is_set());
    CHECK_FALSE(e.try_wait());
    e.set();
    e.set();
    CHECK(e.is_set());
    CHECK(e.try_wait());
    CHECK_FALSE(e.try_wait());
    e.set();
    e.reset();
    CHECK_FALSE(e.try_wait());
    auto_event set(true);
    sync_wait(set.wait());
    CHECK_FALSE(set.is_set());
}

TEST_CASE("each set() lets one through, in the order of their coming") {
    runtime rt(workers(1));
    auto_event e;
    std::vector<int> order;
    auto waits = [&](int number) -> task<> {
        co_await e.wait();
        order.push_back(number);
    };
    auto parent = [&]() -> task<bool> {
        bool right = true;
        std::vector<aloft::join_handle<>> handles;
        for (int i = 0; i < 20; ++i) {
            handles.push_back(spawn(waits(i)));
            co_await testing::settle();
        }
        for (std::size_t i = 0; i < 20; ++i) {
            e.set();
            right = right && !e.is_set(); // it was given, not left for anybody
            co_await testing::settle();
            right = right && order.size() == i + 1;
        }
        for (auto& each : handles) {
            co_await each;
        }
        co_return right;
    };
    CHECK(sync_wait(rt, parent()));
    std::vector<int> expected(20);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(order == expected);
    CHECK_FALSE(e.is_set());
}

TEST_CASE("a chain of tasks that wake each other guards plain data") {
    runtime rt(workers(4));
    auto_event e;
    std::size_t plain = 0;
    const std::size_t count = testing::scaled(20'000);
    auto waits = [&]() -> task<> {
        co_await e.wait();
        ++plain;
        e.set();
    };
    auto begins = [&]() -> task<> {
        plain = 5;
        e.set();
        co_return;
    };
    std::vector<task<>> tasks;
    for (std::size_t i = 0; i < count; ++i) {
        tasks.push_back(waits());
    }
    tasks.push_back(begins());
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(plain == count + 5);
    CHECK(e.try_wait());
}

TEST_CASE("a consumer that waits and then looks misses nothing that plain threads put down") {
    runtime rt(workers(2));
    auto_event e;
    std::atomic<std::size_t> put{0}; // relaxed: only the event orders it
    const std::size_t each = testing::scaled(100'000);
    auto consumes = [&]() -> task<std::size_t> {
        std::size_t taken = 0;
        while (taken < 2 * each) {
            co_await e.wait();
            taken += put.exchange(0, std::memory_order_relaxed);
        }
        co_return taken;
    };
    auto consumer = spawn(rt, consumes());
    std::vector<std::thread> producers;
    for (int t = 0; t < 2; ++t) {
        producers.emplace_back([&] {
            for (std::size_t i = 0; i < each; ++i) {
                put.fetch_add(1, std::memory_order_relaxed);
                e.set();
            }
        });
    }
    CHECK(sync_wait(rt, consumer) == 2 * each);
    for (auto& thread : producers) {
        thread.join();
    }
}

TEST_CASE("a set() of an event that is set still says that there is something new") {
    runtime rt(workers(2));
    auto_event e;
    std::atomic<std::size_t> put{0}; // relaxed, and only stored: only the event orders it
    std::atomic<std::size_t> seen{0};
    const std::size_t rounds = testing::scaled(50'000);
    auto consumes = [&]() -> task<> {
        while (seen.load() < 2 * rounds) {
            co_await e.wait();
            seen.store(put.load(std::memory_order_relaxed));
        }
    };
    auto consumer = spawn(rt, consumes());
    for (std::size_t i = 1; i <= rounds; ++i) {
        put.store(2 * i - 1, std::memory_order_relaxed);
        e.set();
        put.store(2 * i, std::memory_order_relaxed);
        e.set();
        test_support::wait_closely([&] { return seen.load() == 2 * i; });
    }
    sync_wait(rt, consumer);
    CHECK(seen.load() == 2 * rounds);
}

TEST_CASE("waiting for an auto_event gives up in every way, and takes nothing") {
    auto_event e;
    testing::gives_up_in_every_way([&] { return e.wait(); });
    e.set();
    runtime rt(workers(1));
    CHECK(testing::stopped_before(rt, [&] { return e.wait(); }) == end::canceled);
    CHECK(e.try_wait());
    CHECK_FALSE(e.try_wait());
}

TEST_CASE("a set() and a stop request race, and it is neither lost nor doubled") {
    auto_event e;
    testing::races(
        "auto_event against stop", 100'000, [&] { return e.wait(); }, [&] { e.set(); },
        [&](bool got) { return e.try_wait() != got && !e.is_set(); });
}

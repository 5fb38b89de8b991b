// SPDX-License-Identifier: MIT
// event: all who wait are resumed, whoever comes later goes on, and no set() is missed.
#include <aloft/event.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/child_process.hpp"
#include "helpers/races.hpp"
#include "helpers/scale.hpp"
#include "helpers/waiting.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using aloft::event;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using test_support::workers;
using testing::end;

TEST_CASE("an event is set and reset any number of times") {
    event e;
    CHECK_FALSE(e.is_set());
    e.set();
    CHECK(e.is_set());
    e.set();
    CHECK(e.is_set());
    e.reset();
    CHECK_FALSE(e.is_set());
    e.reset();
    CHECK_FALSE(e.is_set());
    e.set();
    CHECK(e.is_set());
    CHECK(event(true).is_set());
    sync_wait(e.wait());
    CHECK(e.is_set());
}

TEST_CASE("a set event resumes all who wait in their order, once, and lets later ones through") {
    runtime rt(workers(1));
    event e;
    std::vector<int> order;
    auto waits = [&](int number) -> task<> {
        co_await e.wait();
        order.push_back(number);
    };
    auto parent = [&]() -> task<bool> {
        std::vector<aloft::join_handle<>> handles;
        for (int i = 0; i < 50; ++i) {
            handles.push_back(spawn(waits(i)));
            co_await testing::settle();
        }
        e.reset(); // of an event that is not set and that tasks wait for
        co_await testing::settle();
        const bool early = !order.empty();
        e.set();
        e.reset(); // those who waited go on all the same
        for (auto& each : handles) {
            co_await each;
        }
        auto later = spawn(waits(50));
        co_await testing::settle();
        const bool through = order.size() == 51;
        e.set();
        co_await later;
        co_await e.wait();
        co_return early || through;
    };
    CHECK_FALSE(sync_wait(rt, parent()));
    std::vector<int> expected(51);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(order == expected);
}

TEST_CASE("what a plain thread did before set() is seen by all who waited") {
    runtime rt(workers(3));
    const std::size_t rounds = testing::scaled(2'000);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        event e;
        std::size_t plain = 0;
        std::atomic<std::size_t> right{0};
        auto waits = [&]() -> task<> {
            co_await e.wait();
            right.fetch_add(plain == i + 1 ? 1 : 0);
        };
        auto a = spawn(rt, waits());
        auto b = spawn(rt, waits());
        auto c = spawn(rt, waits());
        plain = i + 1;
        e.set();
        sync_wait(rt, aloft::when_all(std::move(a), std::move(b), std::move(c)));
        wrong += right.load() == 3 ? 0 : 1;
    }
    CHECK(wrong == 0);
}

TEST_CASE("whoever has seen an event set may destroy it, while set() is still running") {
    runtime rt(workers(2));
    const std::size_t rounds = testing::scaled(20'000);
    std::atomic<event*> current{nullptr};
    std::thread setter([&] {
        for (std::size_t i = 0; i < rounds; ++i) {
            event* e = nullptr;
            test_support::wait_closely([&] {
                e = current.exchange(nullptr);
                return e != nullptr;
            });
            e->set();
        }
    });
    auto waits = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            auto e = std::make_unique<event>();
            current.store(e.get());
            if (i % 2 == 0) {
                co_await e->wait();
            } else {
                while (!e->is_set()) {
                    co_await aloft::yield();
                }
            }
        }
    };
    sync_wait(rt, waits());
    setter.join();
}

TEST_CASE("one who resets, looks and waits misses nothing, though the event was set before") {
    runtime rt(workers(2));
    event e;
    std::atomic<std::size_t> put{0}; // relaxed: only the event orders it
    const std::size_t each = testing::scaled(100'000);
    std::vector<std::thread> producers;
    auto consumes = [&]() -> task<> {
        for (;;) {
            e.reset();
            if (put.load(std::memory_order_relaxed) == 2 * each) {
                co_return;
            }
            co_await e.wait();
        }
    };
    auto consumer = spawn(rt, consumes());
    for (int t = 0; t < 2; ++t) {
        producers.emplace_back([&] {
            for (std::size_t i = 0; i < each; ++i) {
                put.fetch_add(1, std::memory_order_relaxed);
                e.set();
            }
        });
    }
    sync_wait(rt, consumer);
    for (auto& thread : producers) {
        thread.join();
    }
    CHECK(put.load() == 2 * each);
}

TEST_CASE("waiting for an event gives up in every way") {
    event e;
    testing::gives_up_in_every_way([&] { return e.wait(); });
    CHECK_FALSE(e.is_set());
    e.set(); // where the bit of those who gave up is left behind
    CHECK(e.is_set());
    runtime rt(workers(1));
    CHECK(testing::stopped_before(rt, [&] { return e.wait(); }) == end::canceled);
}

TEST_CASE("a set() and a stop request race, and the event is set in any case") {
    event e;
    testing::races(
        "event against stop", 100'000, [&] { return e.wait(); }, [&] { e.set(); },
        [&](bool) {
            const bool was_set = e.is_set();
            e.reset();
            return was_set;
        });
}

TEST_CASE("hidden: destroy an event that tasks wait for", "[.]") {
    testing::expect_death();
    runtime rt(workers(1));
    auto parent = []() -> task<> {
        std::optional<event> e;
        e.emplace();
        auto waits = [](event& awaited) -> task<> { co_await awaited.wait(); };
        auto waiter = spawn(waits(*e));
        co_await testing::settle();
        e.reset();
        co_await waiter;
    };
    sync_wait(rt, parent());
}

TEST_CASE("destroying an event that tasks wait for ends the program with a sentence") {
    CHECK(testing::dies_with("hidden: destroy an event that tasks wait for",
                             "aloft: a synchronisation object was destroyed while tasks wait"));
}

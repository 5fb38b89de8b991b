// SPDX-License-Identifier: MIT
// latch: opens once, when the last one has counted down, for all who wait.
#include <aloft/latch.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include "helpers/child_process.hpp"
#include "helpers/races.hpp"
#include "helpers/scale.hpp"
#include "helpers/waiting.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using aloft::latch;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using test_support::workers;
using testing::end;

TEST_CASE("a latch opens when it has been counted down to zero") {
    latch none(0);
    CHECK(none.try_wait());
    sync_wait(none.wait());
    none.count_down(0);
    latch three(3);
    three.count_down();
    CHECK_FALSE(three.try_wait());
    three.count_down(0);
    CHECK_FALSE(three.try_wait());
    three.count_down(2);
    CHECK(three.try_wait());
    sync_wait(three.wait());
}

TEST_CASE("all who wait for a latch go on when the last one has counted down, and not before") {
    runtime rt(workers(1));
    latch l(3);
    int through = 0;
    auto waits = [&]() -> task<> {
        co_await l.wait();
        ++through;
    };
    auto arrives = [&]() -> task<> {
        co_await l.arrive_and_wait();
        ++through;
    };
    auto parent = [&]() -> task<bool> {
        auto a = spawn(waits());
        auto b = spawn(arrives());
        auto c = spawn(waits());
        co_await testing::settle();
        l.count_down();
        co_await testing::settle();
        const bool early = through != 0 || l.try_wait();
        co_await l.arrive_and_wait();
        co_await aloft::when_all(std::move(a), std::move(b), std::move(c));
        co_return early;
    };
    CHECK_FALSE(sync_wait(rt, parent()));
    CHECK(through == 3);
}

TEST_CASE("what was done before counting down on any thread is seen behind the latch") {
    runtime rt(workers(2));
    const std::size_t rounds = testing::scaled(2'000);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        latch l(4);
        std::size_t parts[4] = {}; // the thread sanitizer sees every access that is not ordered
        std::atomic<std::size_t> sum{0};
        auto looks = [&]() -> task<> {
            co_await l.wait();
            sum.fetch_add(parts[0] + parts[1] + parts[2] + parts[3]);
        };
        auto arrives = [&](std::size_t index) -> task<> {
            parts[index] = 1;
            co_await l.arrive_and_wait();
            sum.fetch_add(parts[0] + parts[1] + parts[2] + parts[3]);
        };
        auto a = spawn(rt, looks());
        auto b = spawn(rt, arrives(0));
        auto c = spawn(rt, arrives(1));
        parts[2] = 1;
        parts[3] = 1;
        l.count_down(2);
        sync_wait(rt, aloft::when_all(std::move(a), std::move(b), std::move(c)));
        wrong += sum.load() == 12 ? 0 : 1;
    }
    CHECK(wrong == 0);
}

TEST_CASE("whoever waited for a latch may destroy it, while count_down() is still running") {
    runtime rt(workers(2));
    const std::size_t rounds = testing::scaled(20'000);
    std::atomic<latch*> current{nullptr};
    std::thread counter([&] {
        for (std::size_t i = 0; i < rounds; ++i) {
            latch* l = nullptr;
            test_support::wait_closely([&] {
                l = current.exchange(nullptr);
                return l != nullptr;
            });
            l->count_down();
        }
    });
    auto waits = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            auto l = std::make_unique<latch>(1);
            current.store(l.get());
            co_await l->wait();
        }
    };
    sync_wait(rt, waits());
    counter.join();
}

TEST_CASE("waiting for a latch gives up in every way") {
    latch l(1);
    testing::gives_up_in_every_way([&] { return l.wait(); });
    CHECK_FALSE(l.try_wait());
    l.count_down();
    CHECK(l.try_wait());
}

TEST_CASE("a task that is stopped while it arrives has counted down") {
    runtime rt(workers(1));
    latch l(4);
    CHECK(testing::stopped_before(rt, [&] { return l.arrive_and_wait(); }) == end::canceled);
    CHECK(testing::stopped_later(rt, [&] { return l.arrive_and_wait(2); }) == end::canceled);
    CHECK_FALSE(l.try_wait());
    sync_wait(rt, l.arrive_and_wait());
    CHECK(l.try_wait());
}

TEST_CASE("the last count_down() and a stop request race, and the latch is open in any case") {
    std::optional<latch> l(1);
    testing::races(
        "latch against stop", 100'000, [&] { return l->wait(); }, [&] { l->count_down(); },
        [&](bool) {
            const bool open = l->try_wait();
            l.emplace(1);
            return open;
        });
}

TEST_CASE("hidden: count a latch down below zero", "[.]") {
    testing::expect_death();
    latch l(2);
    l.count_down(3);
}

TEST_CASE("hidden: make a latch with a negative count", "[.]") {
    testing::expect_death();
    const latch l(-1);
}

TEST_CASE("misuse of a latch ends the program with a sentence") {
    CHECK(testing::dies_with("hidden: count a latch down below zero",
                             "aloft: a latch was counted down below zero"));
    CHECK(testing::dies_with("hidden: make a latch with a negative count",
                             "aloft: a latch was made with a negative count"));
}

// SPDX-License-Identifier: MIT
// yield lets others run; offload blocks on threads that are no workers and brings results back.
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/counted.hpp"
#include "helpers/scale.hpp"

#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using aloft::offload;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sync_wait;
using aloft::task;
using aloft::yield;
using test_support::wait_until;
using testing::counted;

// ---- yield ----

TEST_CASE("two tasks that yield on one worker take turns") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    std::vector<int> order;
    auto turns = [&](int who) -> task<> {
        for (int i = 0; i < 20; ++i) {
            order.push_back(who);
            co_await yield();
        }
    };
    auto parent = [&]() -> task<> { co_await aloft::when_all(turns(0), turns(1)); };
    sync_wait(rt, parent());
    REQUIRE(order.size() == 40);
    // Neither may be kept waiting for long: a fairness round lets a few ready ones go first.
    std::size_t longest_run = 1;
    std::size_t run = 1;
    for (std::size_t i = 1; i < 39; ++i) {
        run = order[i] == order[i - 1] ? run + 1 : 1;
        longest_run = std::max(longest_run, run);
    }
    CHECK(std::count(order.begin(), order.end(), 0) == 20);
    CHECK(longest_run <= 9);
}

TEST_CASE("a task that yields for ever does not starve work that was posted or forked") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    std::atomic<bool> stop{false};
    auto spin = [&]() -> task<> {
        while (!stop.load()) {
            co_await yield();
        }
    };
    auto spinner = aloft::spawn(rt, spin());
    for (int i = 0; i < 100; ++i) {
        auto forks = []() -> task<int> { co_return co_await aloft::spawn([] { return 1; }); };
        CHECK(sync_wait(rt, forks()) == 1);
    }
    stop.store(true);
    sync_wait(rt, spinner);
}

TEST_CASE("tasks that fork for ever do not starve one that yields") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    std::atomic<bool> stop{false};
    auto fork = [&]() -> task<> {
        while (!stop.load()) {
            co_await aloft::spawn([] {});
        }
    };
    auto forker = aloft::spawn(rt, fork());
    auto yields = []() -> task<> {
        for (int i = 0; i < 100; ++i) {
            co_await yield();
        }
    };
    sync_wait(rt, yields());
    stop.store(true);
    sync_wait(rt, forker);
}

TEST_CASE("many tasks that yield on many workers all end") {
    runtime rt(runtime_options{}.threads(8));
    std::atomic<std::size_t> sum{0};
    const std::size_t rounds = testing::scaled(1'000);
    auto yields = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            co_await yield();
            sum.fetch_add(1, std::memory_order_relaxed);
        }
    };
    std::vector<task<>> tasks;
    for (int i = 0; i < 64; ++i) {
        tasks.push_back(yields());
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(sum.load() == 64 * rounds);
}

// ---- offload ----

TEST_CASE("offload runs on a thread that is no worker and comes back to one") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    auto parent = []() -> task<std::string> {
        const auto worker = std::this_thread::get_id();
        const auto [elsewhere, index] = co_await offload(
            [] { return std::pair(std::this_thread::get_id(), aloft::this_worker::index()); });
        const bool away = elsewhere != worker && index == -1;
        const bool back = std::this_thread::get_id() == worker;
        co_return std::string(away ? "away" : "stayed") + (back ? " and back" : " and lost");
    };
    CHECK(sync_wait(rt, parent()) == "away and back");
}

TEST_CASE("offload gives values, references, move-only values and nothing") {
    int object = 1;
    auto parent = [&]() -> task<bool> {
        const int value = co_await offload([] { return 2; });
        int& same = co_await offload([&]() -> int& { return object; });
        std::unique_ptr<int> owned = co_await offload([] { return std::make_unique<int>(3); });
        int ran = 0;
        co_await offload([&] { ran = 4; });
        co_return value == 2 && *owned == 3 && ran == 4 && &same == &object;
    };
    CHECK(sync_wait(parent()));
}

TEST_CASE("offload rethrows what the call threw") {
    auto parent = []() -> task<std::string> {
        try {
            co_await offload([] { throw std::runtime_error("blocked"); });
        } catch (const std::runtime_error& error) {
            co_return error.what();
        }
        co_return "";
    };
    CHECK(sync_wait(parent()) == "blocked");
}

TEST_CASE("what an offloaded function holds is destroyed exactly once") {
    auto parent = []() -> task<int> {
        auto call = offload([held = counted(3)] { return counted(held.number()); });
        const counted got = co_await call;
        co_return got.number();
    };
    CHECK(sync_wait(parent()) == 3);
    {
        auto never = offload([held = counted(3)] { return held.number(); });
        (void)never;
    }
    CHECK(counted::alive() == 0);
}

TEST_CASE("offloaded calls block at the same time, up to the limit") {
    constexpr std::size_t limit = 8;
    runtime rt(runtime_options{}.threads(1).spare_workers(0).blocking_threads(limit));
    std::atomic<std::size_t> inside{0};
    auto blocks = [&]() -> task<> {
        co_await offload([&] {
            inside.fetch_add(1);
            wait_until([&] { return inside.load() == limit; }); // all of them at once
        });
    };
    std::vector<task<>> tasks;
    for (std::size_t i = 0; i < limit; ++i) {
        tasks.push_back(blocks());
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(rt.blocking_threads() <= limit);
    CHECK(rt.blocking_threads() > 0);
}

TEST_CASE("more calls than blocking threads all run, never more than the limit at once") {
    constexpr int limit = 3;
    runtime rt(runtime_options{}.threads(2).blocking_threads(limit));
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    std::atomic<std::size_t> ran{0};
    const std::size_t calls = testing::scaled(5'000);
    auto blocks = [&]() -> task<> {
        co_await offload([&] {
            const int now = inside.fetch_add(1) + 1;
            int seen = most.load();
            while (seen < now && !most.compare_exchange_weak(seen, now)) {
            }
            ran.fetch_add(1);
            inside.fetch_sub(1);
        });
    };
    std::vector<task<>> tasks;
    for (std::size_t i = 0; i < calls; ++i) {
        tasks.push_back(blocks());
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(ran.load() == calls);
    CHECK(most.load() <= limit);
    CHECK(rt.blocking_threads() <= limit);
}

TEST_CASE("the workers go on while every blocking thread is blocked") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0).blocking_threads(1));
    std::atomic<bool> released{false};
    auto blocks = [&]() -> task<> {
        co_await offload([&] { wait_until([&] { return released.load(); }); });
    };
    auto blocked = aloft::spawn(rt, blocks());
    auto free_task = []() -> task<int> {
        co_await yield();
        co_return 1;
    };
    CHECK(sync_wait(rt, free_task()) == 1);
    released = true;
    sync_wait(rt, blocked);
}

TEST_CASE("an offloaded call that waits for a thread is cancelled when the runtime stops") {
    std::atomic<int> ran{0};
    std::atomic<int> canceled{0};
    std::atomic<bool> entered{false};
    std::atomic<bool> released{false};
    {
        auto holds = [&]() -> task<> {
            co_await offload([&] {
                entered = true;
                wait_until([&] { return released.load(); });
                ran.fetch_add(1);
            });
        };
        auto queued = [&]() -> task<> {
            try {
                co_await offload([&] { ran.fetch_add(1); });
            } catch (const std::system_error& error) {
                if (error.code() == std::errc::operation_canceled && canceled.fetch_add(1) == 4) {
                    released = true; // the destructor is under way
                }
            }
        };
        runtime rt(runtime_options{}.threads(2).blocking_threads(1));
        aloft::spawn(rt, holds()).detach();
        wait_until([&] { return entered.load(); });
        for (int i = 0; i < 5; ++i) {
            aloft::spawn(rt, queued()).detach();
        }
    }
    CHECK(ran.load() == 1);
    CHECK(canceled.load() == 5);
}

TEST_CASE("offload from a plain coroutine on every worker keeps results apart") {
    runtime rt(runtime_options{}.threads(4));
    const auto rounds = static_cast<int>(testing::scaled(500));
    auto many = [&](int base) -> task<bool> {
        bool right = true;
        for (int i = 0; i < rounds; ++i) {
            const int got = co_await offload([n = base + i] { return n; });
            right = right && got == base + i;
        }
        co_return right;
    };
    std::vector<task<bool>> tasks;
    for (int i = 0; i < 16; ++i) {
        tasks.push_back(many(i * 100'000));
    }
    const std::vector<bool> right = sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(std::all_of(right.begin(), right.end(), [](bool b) { return b; }));
}

// SPDX-License-Identifier: MIT
// mutex: one at a time, in order, handed over fairly, and never lost to a waiter that gives up.
#include <aloft/mutex.hpp>
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
#include <numeric>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using aloft::mutex;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::yield;
using test_support::workers;
using testing::end;

static_assert(!std::is_copy_constructible_v<mutex::guard>);
static_assert(std::is_nothrow_move_constructible_v<mutex::guard>);
static_assert(!std::is_move_constructible_v<mutex>);

TEST_CASE("a mutex is held by one guard at a time, which may move and unlock early") {
    mutex m;
    mutex::guard empty;
    CHECK_FALSE(empty);
    {
        mutex::guard first = m.try_lock();
        CHECK(first.owns_lock());
        CHECK_FALSE(m.try_lock());
        mutex::guard second = std::move(first);
        CHECK(second);
        CHECK_FALSE(m.try_lock());
        second.unlock();
        CHECK_FALSE(second);
        mutex::guard third = m.try_lock();
        CHECK(third);
        third = mutex::guard();
        CHECK(m.try_lock());
        empty = m.try_lock();
        CHECK(empty);
    }
    CHECK_FALSE(m.try_lock());
    empty.unlock();
    CHECK(m.try_lock());
}

TEST_CASE("a free mutex is locked without a suspension, also without a runtime's worker") {
    mutex m;
    auto locks = [&]() -> task<bool> {
        const auto guard = co_await m.lock();
        co_return guard.owns_lock() && !m.try_lock();
    };
    CHECK(sync_wait(locks()));
    CHECK(m.try_lock());
}

TEST_CASE("those who wait for a mutex get it in the order of their coming") {
    runtime rt(workers(1));
    mutex m;
    std::vector<int> order;
    auto waits = [&](int number) -> task<> {
        const auto guard = co_await m.lock();
        order.push_back(number);
        co_await yield(); // others come, and must not be faster
    };
    auto parent = [&]() -> task<> {
        auto held = co_await m.lock();
        std::vector<aloft::join_handle<>> handles;
        for (int i = 0; i < 100; ++i) {
            handles.push_back(spawn(waits(i)));
            co_await testing::settle();
        }
        held.unlock();
        for (auto& each : handles) {
            co_await each;
        }
    };
    sync_wait(rt, parent());
    std::vector<int> expected(100);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(order == expected);
}

TEST_CASE("a mutex that is handed to a waiter is not taken by somebody who comes later") {
    runtime rt(workers(1));
    mutex m;
    bool through = false;
    auto waits = [&]() -> task<> {
        const auto guard = co_await m.lock();
        through = true;
    };
    auto parent = [&]() -> task<bool> {
        auto held = co_await m.lock();
        auto waiter = spawn(waits());
        co_await testing::settle();
        held.unlock();
        const bool barged_in = m.try_lock().owns_lock();
        const bool before = through;
        co_await waiter;
        co_return barged_in || before;
    };
    CHECK_FALSE(sync_wait(rt, parent()));
    CHECK(through);
    CHECK(m.try_lock());
}

TEST_CASE("a mutex guards plain data, held across suspensions, on many threads") {
    const std::uint64_t seed = testing::make_seed("a mutex guards plain data");
    runtime rt(workers(4));
    mutex m;
    long plain = 0; // the thread sanitizer sees every access that is not ordered
    std::atomic<long> added{0};
    const auto rounds = testing::scaled(5'000);
    auto add = [&](std::uint64_t number) -> task<> {
        testing::dice dice(seed + number);
        for (std::size_t i = 0; i < rounds; ++i) {
            mutex::guard guard = m.try_lock();
            if (dice.below(4) != 0 && !guard) {
                guard = co_await m.lock();
            }
            if (!guard) {
                continue;
            }
            const long before = plain;
            if (dice.below(8) == 0) {
                co_await yield();
            }
            plain = before + 1;
            added.fetch_add(1);
        }
    };
    std::vector<task<>> tasks;
    for (std::uint64_t i = 0; i < 16; ++i) {
        tasks.push_back(add(i));
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(plain == added.load());
    CHECK(m.try_lock());
}

TEST_CASE("a guard may be given to a plain thread, which unlocks") {
    runtime rt(workers(2));
    mutex m;
    int plain = 0;
    // Not detached: winpthreads 10 loses threads that are detached at once, they never run.
    std::vector<std::thread> threads;
    auto rounds = [&]() -> task<> {
        for (int i = 0; i < 50; ++i) {
            auto guard = co_await m.lock();
            ++plain;
            threads.emplace_back([&plain, held = std::move(guard)]() mutable {
                ++plain;
                held.unlock();
            });
        }
        const auto guard = co_await m.lock();
        ++plain;
    };
    sync_wait(rt, rounds());
    for (std::thread& each : threads) {
        each.join();
    }
    CHECK(plain == 101);
}

TEST_CASE("waiting for a mutex gives up in every way, and leaves it locked") {
    mutex m;
    auto held = m.try_lock();
    testing::gives_up_in_every_way([&] { return m.lock(); });
    CHECK_FALSE(m.try_lock());
    held.unlock();
    CHECK(m.try_lock());
}

TEST_CASE("a free mutex is not taken by a task that has been stopped") {
    runtime rt(workers(1));
    mutex m;
    CHECK(testing::stopped_before(rt, [&] { return m.lock(); }) == end::canceled);
    CHECK(m.try_lock());
}

TEST_CASE("a free mutex is not taken by a task whose runtime ends") {
    mutex m;
    std::atomic<int> begun{0};
    std::atomic<end> how{end::none};
    auto locks = [&]() -> task<> {
        const aloft::stop_token token = co_await aloft::this_task::stop_token();
        begun.fetch_add(1);
        while (!token.stop_requested()) {
            co_await yield();
        }
        co_await testing::record([&] { return m.lock(); }, begun, how);
    };
    {
        runtime rt(workers(1));
        spawn(rt, locks()).detach();
        test_support::wait_until([&] { return begun.load() == 1; });
    }
    CHECK(how.load() == end::canceled);
    CHECK(m.try_lock());
}

TEST_CASE("a waiter that gives up does not stand in the way of the next one") {
    runtime rt(workers(1));
    mutex m;
    auto parent = [&]() -> task<bool> {
        auto held = co_await m.lock();
        aloft::stop_source source;
        std::atomic<int> begun{0};
        std::atomic<end> first{end::none};
        std::atomic<end> second{end::none};
        auto make = [&] { return m.lock(); };
        auto one = spawn(aloft::with_stop(source.get_token(), testing::record(make, begun, first)));
        co_await testing::settle();
        auto two = spawn(testing::record(make, begun, second));
        co_await testing::settle();
        source.request_stop();
        co_await one;
        const bool early = second.load() != end::none;
        held.unlock();
        co_await two;
        co_return !early && first.load() == end::canceled && second.load() == end::value;
    };
    CHECK(sync_wait(rt, parent()));
    CHECK(m.try_lock());
}

TEST_CASE("a hand-over and a stop request race, and the mutex is never lost") {
    mutex m;
    mutex::guard held = m.try_lock();
    testing::races(
        "mutex against stop", 100'000, [&] { return m.lock(); }, [&] { held.unlock(); },
        [&](bool) {
            held = m.try_lock();
            return held.owns_lock();
        });
}

TEST_CASE("many tasks lock while they are stopped, and each is inside alone or not at all") {
    const std::uint64_t seed = testing::make_seed("many tasks lock while they are stopped");
    runtime rt(workers(3));
    mutex m;
    std::size_t plain = 0;
    std::atomic<std::size_t> entered{0};
    std::atomic<std::size_t> canceled{0};
    const std::size_t rounds = testing::scaled(5'000);
    auto enter = [&]() -> task<> {
        const auto guard = co_await m.lock();
        ++plain;
        entered.fetch_add(1);
        co_await yield();
    };
    auto stops = [&](aloft::stop_source& source, std::size_t turns) -> task<> {
        for (; turns > 0; --turns) {
            co_await yield();
        }
        source.request_stop();
    };
    auto visits = [&](std::uint64_t number) -> task<> {
        testing::dice dice(seed + number);
        for (std::size_t i = 0; i < rounds; ++i) {
            aloft::stop_source source;
            std::atomic<int> begun{0};
            std::atomic<end> how{end::none};
            co_await aloft::when_all(
                aloft::with_stop(source.get_token(), testing::record(enter, begun, how)),
                stops(source, dice.below(12)));
            canceled.fetch_add(how.load() == end::canceled ? 1 : 0);
        }
    };
    std::vector<task<>> tasks;
    for (std::uint64_t i = 0; i < 6; ++i) {
        tasks.push_back(visits(i));
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(plain == entered.load());
    CHECK(entered.load() + canceled.load() == 6 * rounds);
    CHECK(m.try_lock());
}

TEST_CASE("whoever locks a mutex last may destroy it, while the one before is still unlocking") {
    struct shared {
        mutex m;
        int users = 3;
    };
    runtime rt(workers(3));
    std::atomic<std::size_t> destroyed{0};
    const std::size_t rounds = testing::scaled(20'000);
    auto uses = [&](shared* s) -> task<> {
        auto guard = co_await s->m.lock();
        const bool last = --s->users == 0;
        guard.unlock();
        if (last) {
            delete s;
            destroyed.fetch_add(1);
        }
    };
    auto parent = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            auto* const s = new shared;
            co_await aloft::when_all(uses(s), uses(s), uses(s));
        }
    };
    sync_wait(rt, parent());
    CHECK(destroyed.load() == rounds);
}

TEST_CASE("hidden: unlock a guard twice", "[.]") {
    testing::expect_death();
    mutex m;
    auto guard = m.try_lock();
    guard.unlock();
    guard.unlock();
}

TEST_CASE("hidden: destroy a locked mutex", "[.]") {
    testing::expect_death();
    mutex::guard guard;
    mutex m;
    guard = m.try_lock();
}

TEST_CASE("misuse of a mutex ends the program with a sentence") {
    CHECK(testing::dies_with("hidden: unlock a guard twice",
                             "aloft: a guard was unlocked that holds no mutex"));
    CHECK(testing::dies_with("hidden: destroy a locked mutex",
                             "aloft: a mutex was destroyed while it was locked"));
}

// SPDX-License-Identifier: MIT
// Sleeping and waking: the protocol's own rules, and that no wake-up of a runtime is ever lost.
#include <aloft/detail/runtime/idle.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <thread>
#include <utility>
#include <vector>

using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::yield;
using aloft::detail::idle_workers;

namespace {

task<std::size_t> echo(std::size_t value) {
    co_return value;
}

} // namespace

// ---- the rules ----

TEST_CASE("only sleepers are woken, each by one waker, the last to sleep first") {
    idle_workers idle(4);
    CHECK(idle.wake_one() == idle_workers::nobody);
    idle.sleep(0, false);
    idle.sleep(2, false);
    CHECK(idle.wake_one() == 2);
    // The woken one counts as a searcher, so nobody else is woken until it has found something.
    CHECK(idle.wake_one() == idle_workers::nobody);
    CHECK_FALSE(idle.leave_sleep(2));
    CHECK(idle.end_search());
    CHECK(idle.wake_one() == 0);
    CHECK_FALSE(idle.leave_sleep(0));
    CHECK(idle.end_search());
    CHECK(idle.wake_one() == idle_workers::nobody);
}

TEST_CASE("a sleeper that leaves by itself is not woken any more") {
    idle_workers idle(2);
    idle.sleep(1, false);
    CHECK(idle.leave_sleep(1));
    CHECK(idle.wake_one() == idle_workers::nobody);
}

TEST_CASE("at most half of the workers search") {
    idle_workers idle(4);
    CHECK(idle.begin_search());
    CHECK(idle.begin_search());
    CHECK_FALSE(idle.begin_search());
    CHECK_FALSE(idle.end_search());
    CHECK(idle.end_search());
    CHECK(idle.begin_search());
}

TEST_CASE("a searcher that goes to sleep does not count as a searcher any more") {
    idle_workers idle(2);
    CHECK(idle.begin_search());
    idle.sleep(0, true);
    CHECK(idle.wake_one() == 0);
}

TEST_CASE("pops are light while nobody searches, whoever sleeps") {
    idle_workers idle(2);
    const auto light = [&idle] {
        return aloft::detail::idle_word::pops_are_light(idle.state().load());
    };
    CHECK_FALSE(light());
    idle.allow_light_pops();
    CHECK(light());
    idle.sleep(1, false);
    CHECK(light());
    CHECK(idle.wake_one() == 1); // which is a searcher from now on
    CHECK_FALSE(light());
    CHECK_FALSE(idle.leave_sleep(1));
    idle.allow_light_pops(); // no
    idle.begin_counted_search();
    CHECK(idle.end_search());
    CHECK_FALSE(light()); // until it is allowed again
    idle.allow_light_fences();
    CHECK(light());
    CHECK(idle.begin_search());
    CHECK(idle.end_search());
    CHECK(idle.state().load() == 0);
}

// ---- nothing is lost ----

// A lost wake-up hangs these tests; the guard of the test runner ends them.

TEST_CASE("a plain thread posts one task at a time, and each is run") {
    for (const std::size_t workers : {1u, 2u, 4u}) {
        runtime rt(runtime_options{}.threads(workers));
        const std::size_t rounds = testing::scaled(20'000);
        std::size_t right = 0;
        for (std::size_t i = 0; i < rounds; ++i) {
            right += sync_wait(rt, echo(i)) == i ? 1u : 0u;
        }
        CHECK(right == rounds);
    }
}

TEST_CASE("a plain thread posts, spins until the task ran, and posts again") {
    // Without the waiter's condition variable the next post comes while the worker falls asleep.
    for (const std::size_t workers : {1u, 2u, 3u}) {
        runtime rt(runtime_options{}.threads(workers));
        const std::size_t rounds = testing::scaled(20'000);
        std::atomic<std::size_t> ran{0};
        for (std::size_t i = 0; i < rounds; ++i) {
            spawn(rt, [&] { ran.fetch_add(1); }).detach();
            while (ran.load() != i + 1) {
                std::this_thread::yield();
            }
        }
        CHECK(ran.load() == rounds);
    }
}

TEST_CASE("two plain threads post at random moments, and each task is run") {
    const std::uint64_t seed = testing::make_seed("random moments");
    runtime rt(runtime_options{}.threads(2));
    const std::size_t rounds = testing::scaled(20'000);
    std::atomic<std::size_t> ran{0};
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 2; ++t) {
        threads.emplace_back([&, t] {
            testing::dice dice(seed + t);
            std::atomic<std::size_t> mine{0};
            for (std::size_t i = 0; i < rounds; ++i) {
                spawn(rt, [&] {
                    ran.fetch_add(1);
                    mine.fetch_add(1);
                }).detach();
                for (std::size_t pause = dice.below(200); pause > 0; --pause) {
                    aloft::detail::spin_pause();
                }
                if (dice.below(3) == 0) {
                    while (mine.load() != i + 1) {
                        std::this_thread::yield();
                    }
                }
            }
            while (mine.load() != rounds) {
                std::this_thread::yield();
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(ran.load() == 2 * rounds);
}

TEST_CASE("two tasks of two runtimes wake each other in turns") {
    runtime first(runtime_options{}.threads(1));
    runtime second(runtime_options{}.threads(2));
    aloft::semaphore ping(0);
    aloft::semaphore pong(0);
    const std::size_t rounds = testing::scaled(20'000);
    std::size_t balls = 0;
    auto serve = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            ping.release();
            co_await pong.acquire();
        }
    };
    auto answer = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            co_await ping.acquire();
            ++balls;
            pong.release();
        }
    };
    auto one = spawn(first, serve());
    auto two = spawn(second, answer());
    sync_wait(first, one);
    sync_wait(second, two);
    CHECK(balls == rounds);
}

TEST_CASE("bursts of posts into sleeping workers are all run") {
    const std::uint64_t seed = testing::make_seed("bursts");
    testing::dice dice(seed);
    for (const std::size_t workers : {2u, 4u, 8u}) {
        runtime rt(runtime_options{}.threads(workers));
        std::size_t expected = 0;
        std::atomic<std::size_t> ran{0};
        for (std::size_t round = 0; round < testing::scaled(1'000); ++round) {
            const std::size_t burst = 1 + dice.below(32);
            expected += burst;
            for (std::size_t i = 0; i < burst; ++i) {
                spawn(rt, [&] { ran.fetch_add(1); }).detach();
            }
            while (ran.load() != expected) {
                std::this_thread::yield();
            }
        }
        CHECK(ran.load() == expected);
    }
}

TEST_CASE("forks of one busy task wake workers that sleep") {
    runtime rt(runtime_options{}.threads(4));
    const std::size_t rounds = testing::scaled(2'000);
    // The parent holds its worker until somebody else has run the fork.
    auto parent = [&]() -> task<std::size_t> {
        std::size_t elsewhere = 0;
        for (std::size_t i = 0; i < rounds; ++i) {
            std::atomic<bool> ran{false};
            auto handle = spawn([&] { ran.store(true); });
            while (!ran.load()) {
                std::this_thread::yield();
            }
            ++elsewhere;
            co_await handle;
        }
        co_return elsewhere;
    };
    CHECK(sync_wait(rt, parent()) == rounds);
}

TEST_CASE("posts and resumptions of one busy task are taken over by others") {
    runtime rt(runtime_options{}.threads(3));
    aloft::semaphore permits(0);
    std::atomic<std::size_t> woken{0};
    constexpr std::size_t count = 100;
    auto waits = [&]() -> task<> {
        co_await permits.acquire();
        woken.fetch_add(1);
    };
    auto parent = [&]() -> task<> {
        std::vector<aloft::join_handle<>> handles;
        for (std::size_t i = 0; i < count; ++i) {
            handles.push_back(spawn(waits()));
        }
        co_await yield();
        permits.release(count);
        while (woken.load() < count) { // without giving up this worker
            std::this_thread::yield();
        }
        for (aloft::join_handle<>& each : handles) {
            co_await each;
        }
    };
    sync_wait(rt, parent());
    CHECK(woken.load() == count);
}

// SPDX-License-Identifier: MIT
// The whole runtime with queues of a few entries: overflow into the inject queue at every turn.
#define ALOFT_SMALL_QUEUES 1

#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

using aloft::join_handle;
using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::when_all;
using aloft::yield;

namespace {

struct tree {
    static task<long> leaves(int depth) {
        if (depth == 0) {
            co_return 1;
        }
        if (depth % 3 == 0) {
            co_await yield();
        }
        auto [left, right] = co_await when_all(leaves(depth - 1), leaves(depth - 1));
        co_return left + right;
    }
};

[[nodiscard]] bool each_once(const std::vector<std::atomic<unsigned char>>& ran) {
    return std::all_of(ran.begin(), ran.end(), [](const auto& times) { return times.load() == 1; });
}

} // namespace

TEST_CASE("small queues: a tree of forks comes out right on 1 to 8 workers") {
    for (std::size_t workers = 1; workers <= 8; ++workers) {
        runtime rt(runtime_options{}.threads(workers));
        const int depth = testing::slowdown > 1 ? 11 : 14;
        REQUIRE(sync_wait(rt, tree::leaves(depth)) == 1L << depth);
    }
}

TEST_CASE("small queues: one fork of many children runs each exactly once") {
    for (std::size_t workers = 1; workers <= 8; ++workers) {
        runtime rt(runtime_options{}.threads(workers));
        std::vector<std::atomic<unsigned char>> ran(testing::scaled(10'000));
        auto child = [&](std::size_t i) -> task<> {
            if (i % 2 == 0) {
                co_await yield();
            }
            ran[i].fetch_add(1);
        };
        auto parent = [&]() -> task<> {
            std::vector<task<>> tasks;
            for (std::size_t i = 0; i < ran.size(); ++i) {
                tasks.push_back(child(i));
            }
            co_await when_all(std::move(tasks));
        };
        sync_wait(rt, parent());
        REQUIRE(each_once(ran));
    }
}

TEST_CASE("small queues: several plain threads spawn, each task runs exactly once") {
    const std::uint64_t seed = testing::make_seed("small queues, spawns");
    for (std::size_t workers = 1; workers <= 8; ++workers) {
        constexpr std::size_t spawners = 4;
        const std::size_t each = testing::scaled(2'000);
        std::vector<std::atomic<unsigned char>> ran(spawners * each);
        {
            runtime rt(runtime_options{}.threads(workers));
            auto job = [&](std::size_t i, std::size_t yields) -> task<> {
                for (std::size_t n = 0; n < yields; ++n) {
                    co_await yield();
                }
                ran[i].fetch_add(1);
            };
            std::vector<std::thread> threads;
            for (std::size_t t = 0; t < spawners; ++t) {
                threads.emplace_back([&, t] {
                    testing::dice dice(seed + workers * 16 + t);
                    for (std::size_t i = 0; i < each; ++i) {
                        auto handle = spawn(rt, job(t * each + i, dice.below(4)));
                        if (dice.below(8) == 0) {
                            sync_wait(rt, handle);
                        }
                        dice.maybe_yield(16);
                    }
                });
            }
            for (std::thread& thread : threads) {
                thread.join();
            }
        }
        REQUIRE(each_once(ran));
    }
}

TEST_CASE("small queues: yields, forks, sleeps, joins and semaphores mixed at random") {
    using namespace std::chrono_literals;
    const std::uint64_t seed = testing::make_seed("small queues, mixture");
    for (std::size_t workers = 1; workers <= 8; ++workers) {
        runtime rt(runtime_options{}.threads(workers));
        aloft::semaphore permits(2);
        std::atomic<std::size_t> steps{0};
        const std::size_t rounds = testing::scaled(200);
        auto one = [&]() -> task<int> {
            co_await yield();
            co_return 1;
        };
        auto mixes = [&](std::uint64_t number) -> task<> {
            testing::dice dice(seed + workers * 1000 + number);
            for (std::size_t i = 0; i < rounds; ++i) {
                switch (dice.below(5)) {
                case 0:
                    co_await yield();
                    break;
                case 1:
                    co_await when_all(one(), one(), one());
                    break;
                case 2:
                    (void)co_await spawn(one());
                    break;
                case 3:
                    co_await permits.acquire();
                    co_await yield();
                    permits.release();
                    break;
                default:
                    if (dice.below(16) == 0) {
                        co_await aloft::sleep_for(10us);
                    }
                }
                steps.fetch_add(1);
            }
        };
        std::vector<task<>> tasks;
        for (std::uint64_t i = 0; i < 32; ++i) {
            tasks.push_back(mixes(i));
        }
        sync_wait(rt, when_all(std::move(tasks)));
        REQUIRE(steps.load() == 32 * rounds);
    }
}

TEST_CASE("small queues: many permits released at once wake every waiter once") {
    for (const std::size_t workers : {1u, 2u, 8u}) {
        runtime rt(runtime_options{}.threads(workers));
        aloft::semaphore permits(0);
        std::vector<std::atomic<unsigned char>> ran(500);
        auto waits = [&](std::size_t i) -> task<> {
            co_await permits.acquire();
            ran[i].fetch_add(1);
        };
        auto parent = [&]() -> task<> {
            std::vector<join_handle<>> handles;
            for (std::size_t i = 0; i < ran.size(); ++i) {
                handles.push_back(spawn(waits(i)));
            }
            co_await yield();
            permits.release(ran.size());
            for (join_handle<>& each : handles) {
                co_await each;
            }
        };
        sync_wait(rt, parent());
        REQUIRE(each_once(ran));
    }
}

TEST_CASE("small queues: a plain thread posts one task at a time, and each is run") {
    for (const std::size_t workers : {1u, 3u}) {
        runtime rt(runtime_options{}.threads(workers));
        auto echo = [](std::size_t value) -> task<std::size_t> { co_return value; };
        const std::size_t rounds = testing::scaled(20'000);
        std::size_t right = 0;
        for (std::size_t i = 0; i < rounds; ++i) {
            right += sync_wait(rt, echo(i)) == i ? 1u : 0u;
        }
        CHECK(right == rounds);
    }
}

TEST_CASE("small queues: offloaded calls come back through the inject queue") {
    runtime rt(runtime_options{}.threads(2).blocking_threads(4));
    auto many = [](int base) -> task<int> {
        int sum = 0;
        for (int i = 0; i < 50; ++i) {
            sum += co_await aloft::offload([base] { return base; });
        }
        co_return sum;
    };
    std::vector<task<int>> tasks;
    for (int i = 0; i < 20; ++i) {
        tasks.push_back(many(i));
    }
    const std::vector<int> sums = sync_wait(rt, when_all(std::move(tasks)));
    for (int i = 0; i < 20; ++i) {
        CHECK(sums[static_cast<std::size_t>(i)] == 50 * i);
    }
}

// SPDX-License-Identifier: MIT
// No wake-up is lost: the real scheduler, with queues of a few entries and random delays in front of
// every access to an atomic. A lost wake-up hangs a test; the guard then names it.
//
// `test_sleep_protocol_test "[long]"` goes on for millions of transitions; it takes minutes.
#define ALOFT_SMALL_QUEUES 1
#define ALOFT_MODEL <support/jittery_atomic.hpp>

#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include <support/hang_guard.hpp>
#include <support/orphan.hpp>
#include <support/wait_until.hpp>

#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <system_error>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using aloft::runtime;
using aloft::runtime_options;
using aloft::semaphore;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;

namespace {

/// How often something came to sleepers from outside, or from one of them.
struct transitions {
    std::atomic<std::size_t> count{0};
    void add() noexcept { count.fetch_add(1, std::memory_order_relaxed); }
};

task<> wait_for_turns(semaphore& mine, semaphore& next, std::size_t turns, transitions& seen) {
    for (std::size_t i = 0; i < turns; ++i) {
        co_await mine.acquire();
        seen.add();
        next.release();
    }
}

task<> fork_tree(int depth, std::atomic<std::size_t>& leaves) {
    if (depth == 0) {
        leaves.fetch_add(1, std::memory_order_relaxed);
        co_return;
    }
    co_await aloft::when_all(fork_tree(depth - 1, leaves), fork_tree(depth - 1, leaves));
}

/// A mixture of everything that lets workers fall asleep and wakes them. Gives the transitions.
std::size_t run_mixture(std::size_t workers, const runtime_options& options, std::size_t rounds) {
    runtime rt(runtime_options(options).threads(workers).ring_entries(8));
    transitions seen;

    // A ball goes round between tasks: all workers but one are asleep most of the time.
    constexpr std::size_t players = 3;
    std::array<semaphore, players> goals{semaphore(0), semaphore(0), semaphore(0)};
    std::vector<aloft::join_handle<>> handles;
    for (std::size_t i = 0; i < players; ++i) {
        handles.push_back(
            spawn(rt, wait_for_turns(goals[i], goals[(i + 1) % players], rounds, seen)));
    }
    goals[0].release();

    // Two plain threads post: one waits for each task, the other one for bursts.
    std::atomic<std::size_t> ran{0};
    std::thread one_by_one([&] {
        for (std::size_t i = 0; i < rounds; ++i) {
            sync_wait(rt, spawn(rt, [&] { ran.fetch_add(1); }));
            seen.add();
        }
    });
    std::atomic<std::size_t> leaves{0};
    std::thread bursts([&] {
        for (std::size_t i = 0; i < rounds / 8; ++i) {
            const std::size_t before = leaves.load();
            spawn(rt, fork_tree(3, leaves)).detach();
            while (leaves.load() != before + 8) {
                std::this_thread::yield();
            }
            seen.add();
        }
    });
    // Sleeps that end while everybody is asleep.
    auto naps = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds / 8; ++i) {
            co_await aloft::sleep_for(std::chrono::microseconds(i % 64));
            seen.add();
        }
    };
    sync_wait(rt, naps());
    one_by_one.join();
    bursts.join();
    for (auto& each : handles) {
        sync_wait(rt, each);
    }
    CHECK(ran.load() == rounds);
    CHECK(leaves.load() == rounds / 8 * 8);
    return seen.count.load();
}

void run_on_all(std::size_t rounds) {
    test_support::jitter_seed.store(testing::make_seed("jitter"));
    std::size_t count = 0;
    for (std::size_t workers = 1; workers <= 8; ++workers) {
        CAPTURE(workers);
        count += run_mixture(workers, runtime_options{}.spare_workers(0), rounds);
        count += run_mixture(workers, runtime_options{}.spare_workers(2).hog_after(50us), rounds);
        count += run_mixture(workers, runtime_options{}.spin(20us), rounds);
    }
    std::printf("%zu transitions\n", count);
}

/// A coroutine that is no task of the library, so that no runtime counts it.
test_support::orphan nap(std::chrono::microseconds length, std::atomic<std::size_t>& ended) {
    try {
        co_await aloft::sleep_for(length);
    } catch (const std::system_error&) { // the runtime is stopping
    }
    ended.fetch_add(1);
}

/// Begins many naps and computes until about the half of them are over.
task<> begin_naps_and_compute(std::size_t count, std::atomic<std::size_t>& ended,
                              std::atomic<bool>& begun) {
    for (std::size_t i = 0; i < count; ++i) {
        (void)nap(2ms + std::chrono::microseconds(10 * i), ended);
    }
    begun = true;
    const auto until =
        std::chrono::steady_clock::now() + 2ms + std::chrono::microseconds(5 * count);
    while (std::chrono::steady_clock::now() < until) {
    }
    co_return;
}

} // namespace

TEST_CASE("no wake-up is lost on 1 to 8 workers with tiny queues and delays everywhere") {
    run_on_all(testing::scaled(600));
}

TEST_CASE("no wake-up is lost in millions of transitions", "[.][long]") {
    test_support::allow_any_time();
    run_on_all(60'000);
}

TEST_CASE("what the watcher takes from a busy worker while the runtime ends is resumed") {
    test_support::jitter_seed.store(testing::make_seed("the watcher"));
    for (std::size_t round = 0; round < testing::scaled(600); ++round) {
        constexpr std::size_t count = 100;
        std::atomic<std::size_t> ended{0};
        std::atomic<bool> begun{false};
        {
            runtime rt(runtime_options{}.threads(1).spare_workers(0));
            spawn(rt, begin_naps_and_compute(count, ended, begun)).detach();
            test_support::wait_until([&] { return begun.load(); });
        }
        REQUIRE(ended == count);
    }
}

// SPDX-License-Identifier: MIT
// semaphore: first come, first served, and never more inside than there are permits.
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/child_process.hpp"
#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using aloft::runtime;
using aloft::runtime_options;
using aloft::semaphore;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::yield;

namespace {

/// A coroutine that is not the library's and can be destroyed while it waits.
struct fragment {
    struct promise_type {
        fragment get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        [[nodiscard]] std::suspend_never initial_suspend() const noexcept { return {}; }
        [[nodiscard]] std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
    std::coroutine_handle<promise_type> frame;
};

} // namespace

TEST_CASE("a semaphore gives as many permits as it has") {
    semaphore permits(2);
    CHECK(permits.try_acquire());
    CHECK(permits.try_acquire());
    CHECK_FALSE(permits.try_acquire());
    permits.release();
    CHECK(permits.try_acquire());
    permits.release(3);
    CHECK(permits.try_acquire());
    CHECK(permits.try_acquire());
    CHECK(permits.try_acquire());
    CHECK_FALSE(permits.try_acquire());
    semaphore none(0);
    CHECK_FALSE(none.try_acquire());
    none.release(0);
    CHECK_FALSE(none.try_acquire());
}

TEST_CASE("waiters get their permits in the order of their coming") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    semaphore permits(0);
    std::vector<int> order;
    auto waits = [&](int number) -> task<> {
        co_await permits.acquire();
        order.push_back(number);
    };
    auto parent = [&]() -> task<> {
        std::vector<aloft::join_handle<>> handles;
        for (int i = 0; i < 100; ++i) {
            handles.push_back(spawn(waits(i)));
            for (int turns = 0; turns < 10; ++turns) { // until it stands in the queue
                co_await yield();
            }
        }
        for (int i = 0; i < 100; ++i) {
            permits.release();
            co_await handles[static_cast<std::size_t>(i)];
        }
    };
    sync_wait(rt, parent());
    std::vector<int> expected(100);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(order == expected);
}

TEST_CASE("a permit that was given to a waiter is not taken by somebody who comes later") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    semaphore permits(0);
    auto waits = [&]() -> task<> { co_await permits.acquire(); };
    auto parent = [&]() -> task<bool> {
        auto waiter = spawn(waits());
        for (int turns = 0; turns < 10; ++turns) {
            co_await yield();
        }
        permits.release();
        const bool barged_in = permits.try_acquire();
        co_await waiter;
        co_return barged_in;
    };
    CHECK_FALSE(sync_wait(rt, parent()));
}

TEST_CASE("never more tasks are inside than the semaphore admits") {
    constexpr int limit = 3;
    runtime rt(runtime_options{}.threads(4));
    semaphore permits(limit);
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    std::atomic<std::size_t> entered{0};
    const std::size_t rounds = testing::scaled(1'000);
    auto visits = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            co_await permits.acquire();
            const int now = inside.fetch_add(1) + 1;
            int seen = most.load();
            while (seen < now && !most.compare_exchange_weak(seen, now)) {
            }
            entered.fetch_add(1);
            if (i % 4 == 0) {
                co_await yield();
            }
            inside.fetch_sub(1);
            permits.release();
        }
    };
    std::vector<task<>> tasks;
    for (int i = 0; i < 32; ++i) {
        tasks.push_back(visits());
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(entered.load() == 32 * rounds);
    CHECK(most.load() <= limit);
    CHECK(permits.try_acquire());
    CHECK(permits.try_acquire());
    CHECK(permits.try_acquire());
    CHECK_FALSE(permits.try_acquire());
}

TEST_CASE("a semaphore with one permit guards plain data") {
    runtime rt(runtime_options{}.threads(4));
    semaphore guard(1);
    long plain = 0; // the thread sanitizer sees every access that is not ordered
    const auto rounds = static_cast<int>(testing::scaled(5'000));
    auto add = [&]() -> task<> {
        for (int i = 0; i < rounds; ++i) {
            co_await guard.acquire();
            ++plain;
            guard.release();
        }
    };
    std::vector<task<>> tasks;
    for (int i = 0; i < 8; ++i) {
        tasks.push_back(add());
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(plain == 8L * rounds);
}

TEST_CASE("plain threads release, tasks acquire, and no permit is lost") {
    const std::uint64_t seed = testing::make_seed("plain threads release");
    runtime rt(runtime_options{}.threads(3));
    semaphore permits(0);
    const std::size_t each = testing::scaled(20'000);
    std::atomic<std::size_t> got{0};
    auto takes = [&]() -> task<> {
        for (std::size_t i = 0; i < each; ++i) {
            co_await permits.acquire();
            got.fetch_add(1);
        }
    };
    std::vector<task<>> tasks;
    for (int i = 0; i < 4; ++i) {
        tasks.push_back(takes());
    }
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            testing::dice dice(seed + t);
            for (std::size_t left = each; left > 0;) {
                const std::size_t now = std::min<std::size_t>(left, 1 + dice.below(3));
                permits.release(now);
                left -= now;
                dice.maybe_yield(8);
            }
        });
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(got.load() == 4 * each);
    CHECK_FALSE(permits.try_acquire());
}

TEST_CASE("a semaphore is shared by tasks of two runtimes, each goes on on its own") {
    runtime first(runtime_options{}.threads(2));
    runtime second(runtime_options{}.threads(2));
    semaphore permits(1);
    std::atomic<int> wrong{0};
    const auto rounds = static_cast<int>(testing::scaled(5'000));
    auto visits = [&](runtime& mine) -> task<> {
        for (int i = 0; i < rounds; ++i) {
            co_await permits.acquire();
            wrong.fetch_add(&runtime::current() == &mine ? 0 : 1);
            permits.release();
        }
    };
    auto a = spawn(first, visits(first));
    auto b = spawn(second, visits(second));
    sync_wait(first, a);
    sync_wait(first, b);
    CHECK(wrong.load() == 0);
}

TEST_CASE("an offloaded call may release") {
    semaphore permits(0);
    auto parent = [&]() -> task<> {
        auto waits = [&]() -> task<> { co_await permits.acquire(); };
        auto waiter = spawn(waits());
        co_await aloft::offload([&] { permits.release(); });
        co_await waiter;
    };
    sync_wait(parent());
    CHECK_FALSE(permits.try_acquire());
}

TEST_CASE("a coroutine that is destroyed while it waits leaves the queue") {
    auto parent = []() -> task<bool> {
        semaphore permits(0);
        auto waits = [](semaphore& s, bool& through) -> fragment {
            co_await s.acquire();
            through = true;
        };
        bool first = false;
        bool second = false;
        const fragment one = waits(permits, first);
        const fragment two = waits(permits, second);
        one.frame.destroy();
        permits.release(); // for the second
        while (!two.frame.done()) {
            co_await yield();
        }
        two.frame.destroy();
        co_return !first && second && !permits.try_acquire();
    };
    // One worker only: the fragments are resumed on the thread that looks at them.
    runtime one_worker(runtime_options{}.threads(1).spare_workers(0));
    CHECK(sync_wait(one_worker, parent()));
}

TEST_CASE("hidden: destroy a semaphore that tasks wait for", "[.]") {
    testing::expect_death();
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    auto parent = []() -> task<> {
        std::optional<semaphore> permits(0);
        auto waits = [](semaphore& s) -> task<> { co_await s.acquire(); };
        auto waiter = spawn(waits(*permits));
        for (int turns = 0; turns < 10; ++turns) {
            co_await yield();
        }
        permits.reset();
        co_await waiter;
    };
    sync_wait(rt, parent());
}

TEST_CASE("destroying a semaphore that tasks wait for ends the program with a sentence") {
    CHECK(testing::dies_with(
        "hidden: destroy a semaphore that tasks wait for",
        "aloft: a synchronisation object was destroyed while tasks wait for it"));
}

// SPDX-License-Identifier: MIT
// task_local: what is joined inside a binding sees it, whichever way it was forked; what may outlive
// it does not.
#include <aloft/async_generator.hpp>
#include <aloft/mutex.hpp>
#include <aloft/offload.hpp>
#include <aloft/parallel_for_each.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/task_group.hpp>
#include <aloft/task_local.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/when_any.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include "helpers/scale.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::task_local;
using aloft::when_all;
using aloft::yield;

namespace {

inline task_local<int> number{7};
inline task_local<std::string> name{"none"};

task<int> read_number() {
    co_return co_await number.get();
}

task<int> read_number_later() {
    co_await yield();
    co_return co_await number.get();
}

task<std::string> read_name() {
    co_return co_await name.get();
}

} // namespace

TEST_CASE("without a binding the default is seen, and the innermost binding otherwise") {
    runtime rt(runtime_options{}.threads(2));
    CHECK(sync_wait(rt, read_number()) == 7);
    CHECK(sync_wait(rt, number.with(8, read_number())) == 8);
    const auto nested = []() -> task<std::vector<int>> {
        std::vector<int> seen;
        seen.push_back(co_await number.get());
        seen.push_back(co_await number.with(2, read_number()));
        seen.push_back(co_await number.with(3, number.with(4, read_number_later())));
        seen.push_back(co_await number.get());
        co_return seen;
    };
    CHECK(sync_wait(rt, number.with(1, nested())) == std::vector<int>{1, 2, 4, 1});
    CHECK(sync_wait(rt, read_number()) == 7);
}

TEST_CASE("variables do not hide each other") {
    runtime rt(runtime_options{}.threads(1));
    const auto both = []() -> task<std::string> {
        const int n = co_await number.get();
        const std::string& text = co_await name.get();
        co_return text + std::to_string(n);
    };
    CHECK(sync_wait(rt, name.with("x", number.with(5, both()))) == "x5");
    CHECK(sync_wait(rt, number.with(5, name.with("x", both()))) == "x5");
    CHECK(sync_wait(rt, number.with(5, both())) == "none5");
}

TEST_CASE("everything that is forked and joined inside inherits the binding") {
    runtime rt(runtime_options{}.threads(2));
    const auto forks = []() -> task<int> {
        int right = 0;
        const auto count = [&right](int seen) { right += seen == 42 ? 1 : 0; };
        const auto [a, b] = co_await when_all(read_number_later(), read_number());
        count(a);
        count(b);
        std::vector<task<int>> several;
        several.push_back(read_number_later());
        several.push_back(read_number());
        for (const int each : co_await when_all(std::move(several))) {
            count(each);
        }
        const auto any = co_await aloft::when_any(read_number_later(), read_number());
        count(any.value);
        std::atomic<int> in_groups{0};
        co_await aloft::with_task_group([&in_groups](aloft::task_group& group) -> task<> {
            for (int i = 0; i < 3; ++i) {
                group.spawn([](std::atomic<int>& sum) -> task<> {
                    sum.fetch_add(co_await read_number_later());
                }(in_groups));
            }
            in_groups.fetch_add(co_await number.get());
        });
        count(in_groups.load() / 4);
        std::atomic<int> in_parallel{0};
        const std::array<int, 3> three{1, 2, 3};
        co_await aloft::parallel_for_each(three, 2, [&in_parallel](int) -> task<> {
            in_parallel.fetch_add(co_await read_number_later());
        });
        count(in_parallel.load() / 3);
        count(co_await aloft::with_timeout(60s, read_number_later()));
        aloft::stop_source source;
        count(co_await aloft::with_stop(source.get_token(), read_number_later()));
        co_await aloft::sleep_for(1ms);
        co_await aloft::offload([] {});
        count(co_await number.get());
        co_return right;
    };
    CHECK(sync_wait(rt, number.with(42, forks())) == 10);
}

TEST_CASE("a generator sees what its consumer has bound at each step") {
    runtime rt(runtime_options{}.threads(1));
    const auto steps = []() -> aloft::async_generator<int> {
        for (;;) {
            co_yield co_await number.get();
        }
    };
    const auto consume = [&]() -> task<std::vector<int>> {
        std::vector<int> seen;
        auto generator = steps();
        const auto step = [](aloft::async_generator<int>& from) -> task<int> {
            const int* const value = co_await from.next();
            co_return *value;
        };
        seen.push_back(co_await step(generator));
        seen.push_back(co_await number.with(1, step(generator)));
        seen.push_back(co_await step(generator));
        co_return seen;
    };
    CHECK(sync_wait(rt, consume()) == std::vector<int>{7, 1, 7});
}

TEST_CASE("a spawned task does not inherit, and may bind anew") {
    runtime rt(runtime_options{}.threads(2));
    const auto spawns = []() -> task<std::pair<int, int>> {
        auto plain = spawn(read_number_later());
        const int mine = co_await number.get();
        auto bound = spawn(number.with(mine + 1, read_number_later()));
        const int seen_plain = co_await plain;
        const int seen_bound = co_await bound;
        co_return std::pair(seen_plain, seen_bound);
    };
    const auto [seen_plain, seen_bound] = sync_wait(rt, number.with(42, spawns()));
    CHECK(seen_plain == 7);
    CHECK(seen_bound == 43);
}

TEST_CASE("a spawned task that outlives the binding reads nothing of it") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> seen{0};
    aloft::mutex gate;
    const auto outlives = [](aloft::mutex& wait_for, std::atomic<int>& result) -> task<> {
        const auto guard = co_await wait_for.lock();
        const std::string& value = co_await name.get(); // a freed binding would show here
        result.store(value == "none" ? 1 : 2);
    };
    const auto spawns = [&]() -> task<aloft::join_handle<void>> {
        co_return spawn(outlives(gate, seen));
    };
    const auto all = [&]() -> task<> {
        auto guard = co_await gate.lock();
        const std::string long_enough(100, 'x');
        auto handle = co_await name.with(long_enough, spawns());
        guard.unlock();
        co_await handle;
    };
    sync_wait(rt, all());
    CHECK(seen.load() == 1);
}

TEST_CASE("a binding goes when its awaitable has ended, by a value or an exception") {
    runtime rt(runtime_options{}.threads(1));
    static const task_local<std::shared_ptr<int>> shared{nullptr};
    const auto value = std::make_shared<int>(3);
    const auto reads = []() -> task<int> { co_return *co_await shared.get(); };
    CHECK(sync_wait(rt, shared.with(value, reads())) == 3);
    CHECK(value.use_count() == 1);
    const auto throws = []() -> task<int> {
        co_await yield();
        throw std::runtime_error("inside");
    };
    CHECK_THROWS_AS(sync_wait(rt, shared.with(value, throws())), std::runtime_error);
    CHECK(value.use_count() == 1);
    {
        const auto dropped = shared.with(value, reads());
        CHECK(value.use_count() == 2);
    }
    CHECK(value.use_count() == 1);
}

TEST_CASE("a value that can only be moved is bound, and any awaitable may be") {
    runtime rt(runtime_options{}.threads(1));
    static const task_local<std::unique_ptr<int>> owner;
    const auto reads = []() -> task<int> {
        const auto& held = co_await owner.get();
        co_return held == nullptr ? 0 : *held;
    };
    CHECK(sync_wait(rt, reads()) == 0);
    CHECK(sync_wait(rt, owner.with(std::make_unique<int>(9), reads())) == 9);
    sync_wait(rt, number.with(1, yield()));
    CHECK(sync_wait(rt, name.with("a copy comes out of it", name.get())) ==
          "a copy comes out of it");
}

TEST_CASE("without a runtime a binding is seen as well") {
    CHECK(sync_wait(name.with("here", read_name())) == "here");
}

TEST_CASE("each of many tasks on several workers reads its own binding every time") {
    runtime rt(runtime_options{}.threads(4));
    constexpr std::size_t tasks = 64;
    const std::size_t rounds = testing::scaled(200);
    std::atomic<std::size_t> right{0};
    const auto looks = [&](int expected) -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            const auto [a, b] = co_await when_all(read_number_later(), read_number());
            right.fetch_add(a == expected && b == expected ? 1 : 0);
        }
    };
    const auto binds = [&](int expected) -> task<> {
        co_await number.with(expected, looks(expected));
    };
    const auto all = [&]() -> task<> {
        std::vector<task<>> several;
        for (std::size_t i = 0; i < tasks; ++i) {
            several.push_back(binds(static_cast<int>(i)));
        }
        co_await when_all(std::move(several));
    };
    sync_wait(rt, all());
    CHECK(right.load() == tasks * rounds);
}

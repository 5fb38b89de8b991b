// SPDX-License-Identifier: MIT
// when_any and when_all_settled: the first end counts, or every end does; nobody is left behind.
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all_settled.hpp>
#include <aloft/when_any.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/yield.hpp>

#include "helpers/counted.hpp"
#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sleep_for;
using aloft::sync_wait;
using aloft::task;
using aloft::when_all_settled;
using aloft::when_any;
using aloft::yield;

namespace {

task<int> answer(int value, std::atomic<int>& ended) {
    co_await yield();
    ended.fetch_add(1);
    co_return value;
}

/// Ends only when it is stopped.
task<int> never(std::atomic<int>& ended) {
    try {
        co_await sleep_for(1h);
    } catch (...) {
        ended.fetch_add(1);
        throw;
    }
    co_return 0;
}

} // namespace

TEST_CASE("the first end counts, and the others are stopped and joined") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> ended{0};
    const auto all = [&]() -> task<void> {
        const auto [index, value] = co_await when_any(never(ended), answer(7, ended), never(ended));
        CHECK(index == 1);
        CHECK(value == 7);
        CHECK(ended.load() == 3);
    };
    sync_wait(rt, all());
}

TEST_CASE("different types give a variant, void a monostate, references a reference") {
    runtime rt(runtime_options{}.threads(2));
    static int object = 5;
    const auto text = []() -> task<std::string> { co_return "text"; };
    const auto nothing = []() -> task<void> { co_return; };
    const auto reference = []() -> task<int&> { co_return object; };
    const auto all = [&]() -> task<void> {
        std::atomic<int> ended{0};
        auto mixed = co_await when_any(text(), never(ended));
        static_assert(std::is_same_v<decltype(mixed.value), std::variant<std::string, int>>);
        CHECK(mixed.index == 0);
        CHECK(std::get<0>(mixed.value) == "text");
        auto same = co_await when_any(nothing(), sleep_for(1h));
        static_assert(std::is_same_v<decltype(same.value), std::monostate>);
        CHECK(same.index == 0);
        auto one = co_await when_any(reference());
        static_assert(std::is_same_v<decltype(one.value), int&>);
        CHECK(&one.value == &object);
        auto owned = co_await when_any(
            []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); }());
        CHECK(*owned.value == 3);
    };
    sync_wait(rt, all());
}

TEST_CASE("a failure that comes first is rethrown, one that comes later is dropped") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> ended{0};
    const auto fails = []() -> task<int> {
        co_await yield();
        throw std::runtime_error("first");
    };
    const auto fails_when_stopped = [&]() -> task<int> {
        try {
            co_await sleep_for(1h);
        } catch (const std::system_error&) {
            ended.fetch_add(1);
        }
        throw std::logic_error("late");
    };
    CHECK_THROWS_AS(sync_wait(rt, when_any(never(ended), fails())), std::runtime_error);
    CHECK(ended.exchange(0) == 1);
    CHECK(sync_wait(rt, when_any(fails_when_stopped(), answer(4, ended))).value == 4);
    CHECK(ended.load() == 2);
}

TEST_CASE("a range gives the index and the value; an empty one is refused") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> ended{0};
    std::vector<task<int>> children;
    for (int i = 0; i < 100; ++i) {
        children.push_back(i == 42 ? answer(i, ended) : never(ended));
    }
    const auto first = sync_wait(rt, when_any(std::move(children)));
    CHECK(first.index == 42);
    CHECK(first.value == 42);
    CHECK(ended.load() == 100);
    CHECK_THROWS_AS(when_any(std::vector<task<int>>()), std::system_error);
}

TEST_CASE("stopping the parent of a when_any stops all of its children") {
    runtime rt(runtime_options{}.threads(2));
    aloft::stop_source source;
    std::atomic<int> ended{0};
    const auto stops = [&]() -> task<int> {
        co_await yield();
        source.request_stop();
        co_await sleep_for(1h);
        co_return 0;
    };
    const auto all = [&]() -> task<void> { (void)co_await when_any(never(ended), stops()); };
    try {
        sync_wait(rt, with_stop(source.get_token(), all()));
        FAIL("it was not stopped");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::operation_canceled);
    }
    CHECK(ended.load() == 1);
}

TEST_CASE("many races have exactly one winner each, and every frame goes") {
    runtime rt(runtime_options{}.threads(2));
    const std::size_t rounds = testing::scaled(20'000);
    std::atomic<int> alive{0};
    const auto racer = [&alive](std::size_t yields) -> task<std::size_t> {
        struct count {
            std::atomic<int>& of;
            explicit count(std::atomic<int>& c) : of(c) { of.fetch_add(1); }
            count(const count&) = delete;
            count& operator=(const count&) = delete;
            ~count() { of.fetch_sub(1); }
        };
        const count here(alive);
        for (std::size_t i = 0; i < yields; ++i) {
            co_await yield();
        }
        co_return yields;
    };
    const auto all = [&]() -> task<void> {
        testing::dice dice(testing::make_seed("races"));
        for (std::size_t round = 0; round < rounds; ++round) {
            const std::size_t a = dice.below(4);
            const std::size_t b = dice.below(4);
            const auto [index, value] = co_await when_any(racer(a), racer(b));
            REQUIRE(value == (index == 0 ? a : b));
            REQUIRE(alive.load() == 0);
        }
    };
    sync_wait(rt, all());
}

TEST_CASE("when_all_settled keeps every end, and no failure stops the others") {
    runtime rt(runtime_options{}.threads(2));
    static int object = 5;
    const auto fails = []() -> task<int> {
        throw std::runtime_error("one");
        co_return 0;
    };
    const auto later = []() -> task<std::string> {
        co_await sleep_for(2ms);
        co_return "later";
    };
    const auto nothing = []() -> task<void> { co_return; };
    const auto reference = []() -> task<int&> { co_return object; };
    const auto all = [&]() -> task<void> {
        auto [a, b, c, d] = co_await when_all_settled(fails(), later(), nothing(), reference());
        CHECK_FALSE(a.has_value());
        CHECK(a.error() != nullptr);
        CHECK_THROWS_AS(a.value(), std::runtime_error);
        CHECK_THROWS_AS(a.value(), std::runtime_error); // as often as one likes
        REQUIRE(b);
        CHECK(b.error() == nullptr);
        CHECK(b.value() == "later");
        CHECK(std::move(b).value() == "later");
        CHECK(c.has_value());
        CHECK_NOTHROW(c.value());
        CHECK(&d.value() == &object);
    };
    sync_wait(rt, all());
    std::vector<task<int>> children;
    for (int i = 0; i < 10; ++i) {
        children.push_back([](int n) -> task<int> {
            co_await yield();
            if (n % 2 == 0) {
                throw std::out_of_range("even");
            }
            co_return n;
        }(i));
    }
    auto ends = sync_wait(rt, when_all_settled(std::move(children)));
    REQUIRE(ends.size() == 10);
    for (std::size_t i = 0; i < ends.size(); ++i) {
        CHECK(ends[i].has_value() == (i % 2 == 1));
    }
    CHECK(sync_wait(rt, when_all_settled(std::vector<task<int>>())).empty());
}

// SPDX-License-Identifier: MIT
// generator and async_generator: values in order, early exits, exceptions, views.
#include <aloft/async_generator.hpp>
#include <aloft/event.hpp>
#include <aloft/generator.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_each.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include "helpers/counted.hpp"

#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

// Clang 14 does not compile the views of libstdc++.
#if !defined(__clang__) || __clang_major__ >= 16
#define HAS_VIEWS 1
#include <ranges>
#else
#define HAS_VIEWS 0
#endif

using namespace std::chrono_literals;
using aloft::async_generator;
using aloft::elements_of;
using aloft::generator;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sync_wait;
using aloft::task;
using aloft::yield;
using testing::counted;

namespace {

generator<int> numbers(int count) {
    for (int i = 0; i < count; ++i) {
        co_yield i;
    }
}

generator<counted> with_locals(int count) {
    const counted local(100);
    for (int i = 0; i < count; ++i) {
        co_yield counted(i);
    }
}

async_generator<int> slow_numbers(int count) {
    const counted local(100);
    for (int i = 0; i < count; ++i) {
        co_await yield();
        co_yield i;
    }
}

#if HAS_VIEWS
static_assert(std::ranges::input_range<generator<int>>);
static_assert(std::ranges::view<generator<int>>);
static_assert(std::is_same_v<std::ranges::range_reference_t<generator<int>>, int&>);
static_assert(std::is_same_v<std::ranges::range_reference_t<generator<const int&>>, const int&>);
#endif

} // namespace

TEST_CASE("a generator yields its values in order, and nothing before it is asked") {
    bool begun = false;
    const auto lazy = [](bool& flag) -> generator<int> {
        flag = true;
        co_yield 1;
    };
    {
        auto unused = lazy(begun);
        CHECK_FALSE(begun);
    }
    CHECK_FALSE(begun);
    std::vector<int> seen;
    for (const int each : numbers(5)) {
        seen.push_back(each);
    }
    CHECK(seen == std::vector{0, 1, 2, 3, 4});
    for ([[maybe_unused]] const int each : numbers(0)) {
        FAIL("nothing is there");
    }
}

#if HAS_VIEWS
TEST_CASE("a generator is a view") {
    std::vector<int> seen;
    for (const int each : numbers(100) | std::views::filter([](int i) { return i % 7 == 0; }) |
                              std::views::transform([](int i) { return i * 2; }) |
                              std::views::take(3)) {
        seen.push_back(each);
    }
    CHECK(seen == std::vector{0, 14, 28});
}
#endif

TEST_CASE("leaving the loop early destroys the coroutine's locals and its parameters") {
    {
        for (counted& each : with_locals(10)) {
            if (each.number() == 3) {
                CHECK(counted::alive() == 2);
                break;
            }
        }
        CHECK(counted::alive() == 0);
        auto never_begun = with_locals(3);
        auto moved = std::move(never_begun);
        moved = numbers(0).begin() == std::default_sentinel ? with_locals(1) : with_locals(2);
    }
    CHECK(counted::alive() == 0);
}

TEST_CASE("a generator's values can be changed, moved out, and be references") {
    std::vector<std::string> texts{"a", "b"};
    const auto refer = [](std::vector<std::string>& of) -> generator<std::string&> {
        for (std::string& each : of) {
            co_yield each;
        }
    };
    for (std::string& each : refer(texts)) {
        each += "!";
    }
    CHECK(texts == std::vector<std::string>{"a!", "b!"});
    const auto owned = []() -> generator<std::unique_ptr<int>> {
        for (int i = 0; i < 3; ++i) {
            co_yield std::make_unique<int>(i);
        }
    };
    int sum = 0;
    for (auto& each : owned()) {
        const std::unique_ptr<int> taken = std::move(each);
        sum += *taken;
    }
    CHECK(sum == 3);
    const auto copies = []() -> generator<std::string> {
        const std::string constant = "constant";
        co_yield constant;
        co_yield constant;
    };
    for (std::string& each : copies()) {
        CHECK(each == "constant");
        each.clear();
    }
}

TEST_CASE("an exception leaves a generator through the loop") {
    const auto fails = [](bool at_once) -> generator<int> {
        const counted local(1);
        if (!at_once) {
            co_yield 1;
        }
        throw std::runtime_error("inside");
    };
    int seen = 0;
    const auto read = [&](bool at_once) {
        for (const int each : fails(at_once)) {
            seen += each;
        }
    };
    CHECK_THROWS_AS(read(true), std::runtime_error);
    CHECK(seen == 0);
    CHECK_THROWS_AS(read(false), std::runtime_error);
    CHECK(seen == 1);
    CHECK(counted::alive() == 0);
}

namespace {

struct tree {
    int value;
    std::unique_ptr<tree> left;
    std::unique_ptr<tree> right;
};

std::unique_ptr<tree> make_tree(int first, int last) {
    if (first > last) {
        return nullptr;
    }
    const int middle = (first + last) / 2;
    return std::make_unique<tree>(
        tree{middle, make_tree(first, middle - 1), make_tree(middle + 1, last)});
}

generator<const int&> in_order(const tree* at) {
    if (at == nullptr) {
        co_return;
    }
    co_yield elements_of(in_order(at->left.get()));
    co_yield at->value;
    co_yield elements_of(in_order(at->right.get()));
}

generator<int> nested(int depth) {
    const counted local(depth);
    if (depth > 0) {
        co_yield elements_of(nested(depth - 1));
    }
    co_yield depth;
}

generator<std::string> fails_inside(int depth) {
    if (depth == 0) {
        throw std::runtime_error("at the bottom");
    }
    std::string name = std::to_string(depth);
    co_yield name;
    co_yield elements_of(fails_inside(depth - 1));
}

} // namespace

TEST_CASE("elements_of walks a tree in order") {
    const std::unique_ptr<tree> root = make_tree(1, 100);
    int expected = 0;
    for (const int& each : in_order(root.get())) {
        REQUIRE(each == ++expected);
    }
    CHECK(expected == 100);
}

TEST_CASE("generators nested a hundred thousand deep neither grow the stack nor leave a frame") {
    constexpr int depth = 100'000;
    int expected = 0;
    for (const int each : nested(depth)) {
        REQUIRE(each == expected++);
    }
    CHECK(expected == depth + 1);
    CHECK(counted::alive() == 0);
    {
        generator<int> left_early = nested(depth);
        CHECK(*left_early.begin() == 0);
        CHECK(counted::alive() == depth + 1);
    }
    CHECK(counted::alive() == 0);
}

TEST_CASE("what a nested generator throws comes out of its co_yield, and the sequence may go on") {
    const auto survives = []() -> generator<std::string> {
        std::string said;
        try {
            co_yield elements_of(fails_inside(2));
        } catch (const std::runtime_error& error) {
            said = error.what();
        }
        co_yield said;
    };
    std::vector<std::string> seen;
    for (std::string& each : survives()) {
        seen.push_back(each);
    }
    CHECK(seen == std::vector<std::string>{"2", "1", "at the bottom"});
    const auto read = [] {
        for (std::string& each : fails_inside(1)) {
            each.clear();
        }
    };
    CHECK_THROWS_AS(read(), std::runtime_error);
}

TEST_CASE("a generator that has begun goes on where it was within another") {
    const auto numbers = []() -> generator<int> {
        for (int i = 0; i < 4; ++i) {
            co_yield i;
        }
    };
    const auto rest_of = [](generator<int> begun) -> generator<int> {
        co_yield elements_of(std::move(begun));
    };
    generator<int> begun = numbers();
    CHECK(*begun.begin() == 0);
    std::vector<int> seen;
    for (const int each : rest_of(std::move(begun))) {
        seen.push_back(each);
    }
    CHECK(seen == std::vector<int>{1, 2, 3});
}

TEST_CASE("an async_generator yields its values in order and waits in between") {
    runtime rt(runtime_options{}.threads(2));
    const auto read = [](int count) -> task<std::vector<int>> {
        std::vector<int> seen;
        auto source = slow_numbers(count);
        while (const int* each = co_await source.next()) {
            seen.push_back(*each);
        }
        const int* const again = co_await source.next();
        CHECK(again == nullptr);
        co_return seen;
    };
    CHECK(sync_wait(rt, read(5)) == std::vector{0, 1, 2, 3, 4});
    CHECK(sync_wait(rt, read(0)).empty());
    const auto by_iterator = [](int count) -> task<int> {
        int sum = 0;
        auto source = slow_numbers(count);
        for (auto i = co_await source.begin(); i != source.end(); co_await ++i) {
            sum += *i;
        }
        co_return sum;
    };
    CHECK(sync_wait(rt, by_iterator(10)) == 45);
    CHECK(sync_wait(rt, by_iterator(0)) == 0);
    CHECK(counted::alive() == 0);
}

TEST_CASE("a long async_generator does not grow the stack") {
    runtime rt(runtime_options{}.threads(1));
    const auto at_once = [](int count) -> async_generator<int> {
        for (int i = 0; i < count; ++i) {
            co_yield i;
        }
    };
    const auto read = [&]() -> task<std::int64_t> {
        std::int64_t sum = 0;
        auto source = at_once(1'000'000);
        while (const int* each = co_await source.next()) {
            sum += *each;
        }
        co_return sum;
    };
    CHECK(sync_wait(rt, read()) == 499'999'500'000);
}

TEST_CASE("an async_generator may be left early, between two steps and inside one") {
    runtime rt(runtime_options{}.threads(2));
    const auto leave = []() -> task<int> {
        auto source = slow_numbers(10);
        (void)co_await source.next();
        const int* const second = co_await source.next();
        co_return *second;
    };
    CHECK(sync_wait(rt, leave()) == 1);
    CHECK(counted::alive() == 0);
    const auto stuck = []() -> async_generator<int> {
        const counted local(1);
        co_yield 1;
        co_await aloft::sleep_for(1h);
        co_yield 2;
    };
    const auto limited = [&]() -> task<int> {
        auto source = stuck();
        int last = 0;
        try {
            while (const int* each = co_await aloft::with_timeout(2ms, source.next())) {
                last = *each;
            }
        } catch (const std::system_error& error) {
            CHECK(error.code() == std::errc::timed_out);
        }
        const int* const behind = co_await source.next();
        CHECK(behind == nullptr); // it has ended by that
        co_return last;
    };
    CHECK(sync_wait(rt, limited()) == 1);
    CHECK(counted::alive() == 0);
}

TEST_CASE("the runtime's end stops what an async_generator waits for") {
    std::atomic<int> begun{0};
    {
        runtime rt(runtime_options{}.threads(2));
        aloft::spawn(rt, [&]() -> task<void> {
            const auto waits = [&]() -> async_generator<int> {
                const counted local(1);
                begun.fetch_add(1);
                co_await aloft::sleep_for(1h);
                co_yield 1;
            };
            auto source = waits();
            (void)co_await source.next();
        }).detach();
        test_support::wait_until([&] { return begun.load() == 1; });
    }
    CHECK(counted::alive() == 0);
}

TEST_CASE("an exception leaves an async_generator through next, and ends it") {
    runtime rt(runtime_options{}.threads(2));
    const auto fails = []() -> async_generator<std::string> {
        co_yield "one";
        co_await yield();
        throw std::runtime_error("inside");
    };
    const auto read = [&]() -> task<int> {
        auto source = fails();
        const std::string* const first = co_await source.next();
        CHECK(*first == "one");
        int failures = 0;
        try {
            (void)co_await source.next();
        } catch (const std::runtime_error&) {
            ++failures;
        }
        const std::string* const behind = co_await source.next();
        CHECK(behind == nullptr);
        co_return failures;
    };
    CHECK(sync_wait(rt, read()) == 1);
}

TEST_CASE("when_each yields in the order of the ends, failures included") {
    runtime rt(runtime_options{}.threads(2));
    aloft::event first_was_seen;
    const auto first = []() -> task<int> { co_return 2; };
    const auto later = [&](int value) -> task<int> {
        co_await first_was_seen.wait();
        if (value < 0) {
            throw std::out_of_range("negative");
        }
        co_return value;
    };
    const auto read = [&]() -> task<std::vector<std::size_t>> {
        std::vector<task<int>> children;
        children.push_back(later(1));
        children.push_back(first());
        children.push_back(later(-1));
        auto ends = aloft::when_each(std::move(children));
        std::vector<std::size_t> order;
        while (auto* end = co_await ends.next()) {
            order.push_back(end->index);
            first_was_seen.set();
            if (end->index == 2) {
                CHECK_FALSE(end->result.has_value());
            } else {
                CHECK(end->result.value() == static_cast<int>(end->index) + 1);
            }
        }
        co_return order;
    };
    const std::vector<std::size_t> order = sync_wait(rt, read());
    REQUIRE(order.size() == 3);
    CHECK(order.front() == 1);
    CHECK(
        std::is_permutation(order.begin(), order.end(), std::vector<std::size_t>{0, 1, 2}.begin()));
    const auto none = []() -> task<bool> {
        auto ends = aloft::when_each(std::vector<task<int>>());
        co_return co_await ends.next() == nullptr;
    };
    CHECK(sync_wait(rt, none()));
}

TEST_CASE("a when_each that is left early stops the others") {
    std::atomic<int> stopped{0};
    {
        runtime rt(runtime_options{}.threads(2));
        const auto never = [](std::atomic<int>& count) -> task<int> {
            const counted local(1);
            try {
                co_await aloft::sleep_for(1h);
            } catch (...) {
                count.fetch_add(1);
                throw;
            }
            co_return 0;
        };
        const auto read = [&]() -> task<void> {
            std::vector<task<int>> children;
            for (int i = 0; i < 10; ++i) {
                children.push_back(i == 4 ? []() -> task<int> { co_return 4; }() : never(stopped));
            }
            auto ends = aloft::when_each(std::move(children));
            const auto* first = co_await ends.next();
            CHECK(first->index == 4);
        };
        sync_wait(rt, read());
        test_support::wait_until([&] { return stopped.load() == 9; });
    }
    CHECK(counted::alive() == 0);
}

// SPDX-License-Identifier: MIT
// task<T>: what it carries, when it runs, how it fails, and that awaiting never grows the stack.
#include <aloft/runtime.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/yield.hpp>

#include "helpers/child_process.hpp"
#include "helpers/counted.hpp"

#include <catch2/catch_test_macros.hpp>

#include <concepts>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using aloft::sync_wait;
using aloft::task;
using testing::counted;

namespace {

task<int> give(int value) {
    co_return value;
}

task<int> fail(const char* why) {
    throw std::runtime_error(why);
    co_return 0;
}

struct precious {
    std::unique_ptr<int> number;
    std::string text;
};

} // namespace

// ---- what a task carries ----

TEST_CASE("a task gives the value that it returns") {
    CHECK(sync_wait(give(42)) == 42);
}

TEST_CASE("a task gives the values of the tasks that it awaits") {
    auto sum = []() -> task<int> {
        const int a = co_await give(1);
        const int b = co_await give(2);
        co_return a + b + co_await give(3);
    };
    CHECK(sync_wait(sum()) == 6);
}

TEST_CASE("a task of a string moves it out") {
    auto text = []() -> task<std::string> { co_return std::string(1000, 'x'); };
    CHECK(sync_wait(text()) == std::string(1000, 'x'));
}

TEST_CASE("a task returns what converts to its type") {
    auto text = []() -> task<std::string> { co_return "literal"; };
    auto pair = []() -> task<std::pair<int, int>> { co_return {3, 4}; };
    auto wide = []() -> task<long> { co_return 5; };
    CHECK(sync_wait(text()) == "literal");
    CHECK(sync_wait(pair()) == std::pair(3, 4));
    CHECK(sync_wait(wide()) == 5);
}

TEST_CASE("a task of a constant type gives its value") {
    auto text = []() -> task<const std::string> { co_return "constant"; };
    CHECK(sync_wait(text()) == "constant");
}

TEST_CASE("a task carries a move-only value") {
    auto inner = [](int n) -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(n); };
    auto outer = [&]() -> task<std::unique_ptr<int>> {
        std::unique_ptr<int> got = co_await inner(7);
        ++*got;
        co_return got;
    };
    CHECK(*sync_wait(outer()) == 8);
}

TEST_CASE("a task carries an aggregate with move-only members") {
    auto make = []() -> task<precious> { co_return precious{std::make_unique<int>(3), "three"}; };
    const precious got = sync_wait(make());
    CHECK(*got.number == 3);
    CHECK(got.text == "three");
}

TEST_CASE("a task of a reference gives that very object") {
    int object = 1;
    auto refer = [](int& it) -> task<int&> { co_return it; };
    auto pass = [&]() -> task<int&> {
        int& inner = co_await refer(object);
        co_return inner;
    };
    int& got = sync_wait(pass());
    CHECK(&got == &object);
    STATIC_REQUIRE(std::is_same_v<decltype(sync_wait(pass())), int&>);
}

TEST_CASE("a task of a constant reference gives that very object") {
    const std::string object = "here";
    auto refer = [](const std::string& it) -> task<const std::string&> { co_return it; };
    const std::string& got = sync_wait(refer(object));
    CHECK(&got == &object);
}

TEST_CASE("a task of an rvalue reference gives an object to move from") {
    std::string object = "moved";
    auto refer = [](std::string& it) -> task<std::string&&> { co_return std::move(it); };
    auto take = [&]() -> task<std::string> {
        std::string mine = co_await refer(object);
        co_return mine;
    };
    CHECK(sync_wait(take()) == "moved");
}

TEST_CASE("a task of void runs to its end") {
    bool ran = false;
    auto run = [&]() -> task<> {
        ran = true;
        co_return;
    };
    sync_wait(run());
    CHECK(ran);
    STATIC_REQUIRE(std::is_void_v<decltype(sync_wait(run()))>);
}

TEST_CASE("a task's result is destroyed exactly once") {
    auto make = []() -> task<counted> { co_return counted(9); };
    {
        const counted got = sync_wait(make());
        CHECK(got.number() == 9);
        CHECK(counted::alive() == 1);
    }
    auto drop = [&]() -> task<> { (void)co_await make(); };
    sync_wait(drop());
    CHECK(counted::alive() == 0);
}

TEST_CASE("parameters and locals live until the end of the await and no longer") {
    auto child = [](counted parameter) -> task<int> {
        const counted local(parameter.number() + 1);
        co_await aloft::yield();
        co_return local.number();
    };
    auto parent = [&]() -> task<int> {
        const int got = co_await child(counted(1));
        co_return got * 100 + static_cast<int>(counted::alive());
    };
    CHECK(sync_wait(parent()) == 200);
    CHECK(counted::alive() == 0);
}

TEST_CASE("a member function and a function with a reference parameter can be tasks") {
    struct account {
        int balance = 10;
        task<int> add(const int& amount) {
            co_await aloft::yield();
            co_return balance += amount;
        }
    };
    account mine;
    const int amount = 5;
    CHECK(sync_wait(mine.add(amount)) == 15);
}

// ---- laziness and ownership ----

TEST_CASE("a task that is never awaited runs nothing and destroys its parameters") {
    bool ran = false;
    {
        auto lazy = [](bool& flag, counted) -> task<> {
            flag = true;
            co_return;
        };
        const task<> never = lazy(ran, counted(1));
        CHECK(never.valid());
        CHECK(counted::alive() == 1);
    }
    CHECK_FALSE(ran);
    CHECK(counted::alive() == 0);
}

TEST_CASE("a moved task takes its coroutine along") {
    task<int> first = give(5);
    task<int> second = std::move(first);
    CHECK_FALSE(first.valid()); // NOLINT(bugprone-use-after-move): that is the promise
    CHECK(second.valid());
    CHECK(static_cast<bool>(second));
    CHECK(sync_wait(std::move(second)) == 5);
}

TEST_CASE("assigning to a task destroys the one that it held") {
    auto hold = [](counted parameter) -> task<int> { co_return parameter.number(); };
    task<int> held = hold(counted(1));
    held = hold(counted(2));
    CHECK(counted::alive() == 1);
    task<int>& self = held;
    held = std::move(self);
    CHECK(held.valid());
    CHECK(sync_wait(std::move(held)) == 2);
    held = task<int>();
    CHECK(counted::alive() == 0);
}

TEST_CASE("a task is a move-only type") {
    STATIC_REQUIRE(std::movable<task<int>>);
    STATIC_REQUIRE_FALSE(std::copyable<task<int>>);
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<task<>>);
    STATIC_REQUIRE(std::is_nothrow_default_constructible_v<task<>>);
    CHECK_FALSE(task<int>().valid());
}

TEST_CASE("a task in a variable is awaited with std::move") {
    auto parent = []() -> task<int> {
        task<int> child = give(3);
        const int got = co_await std::move(child);
        co_return got;
    };
    CHECK(sync_wait(parent()) == 3);
}

// ---- failure ----

TEST_CASE("an exception of the body comes out of the await") {
    auto parent = []() -> task<std::string> {
        try {
            (void)co_await fail("inner");
        } catch (const std::runtime_error& error) {
            co_return error.what();
        }
        co_return "nothing thrown";
    };
    CHECK(sync_wait(parent()) == "inner");
    CHECK_THROWS_AS(sync_wait(fail("outer")), std::runtime_error);
}

TEST_CASE("an exception passes through a hundred thousand nested tasks and destroys their locals") {
    struct chain {
        static task<> link(int depth) {
            const counted local(depth);
            if (depth == 0) {
                throw std::runtime_error("the end of the chain");
            }
            co_await link(depth - 1);
        }
    };
    CHECK_THROWS_AS(sync_wait(chain::link(100'000)), std::runtime_error);
    CHECK(counted::alive() == 0);
}

TEST_CASE("things that are no std::exception can be thrown") {
    auto odd = []() -> task<int> {
        throw 42;
        co_return 0;
    };
    CHECK_THROWS_AS(sync_wait(odd()), int);
}

namespace {

struct refuses_copy {
    explicit refuses_copy(bool armed) noexcept : refuse(armed) {}
    refuses_copy(const refuses_copy& other) : refuse(other.refuse) {
        if (refuse) {
            throw std::runtime_error("the copy");
        }
    }
    bool refuse;
    counted instance{1};
};

task<int> takes_by_value(counted first, refuses_copy second) {
    co_return first.number() + second.instance.number();
}

struct refuses_move {
    explicit refuses_move(int moves) noexcept : left(moves) {}
    refuses_move(refuses_move&& other) : left(other.left - 1) {
        if (left < 0) {
            throw std::runtime_error("the move");
        }
    }
    int left;
    counted instance{1};
};

} // namespace

TEST_CASE("an exception of a parameter's copy comes out of the call and leaks nothing") {
    {
        const refuses_copy parameter(true);
        const counted other(1);
        CHECK_THROWS_AS(takes_by_value(other, parameter), std::runtime_error);
        CHECK(counted::alive() == 2);
    }
    CHECK(counted::alive() == 0);
}

TEST_CASE("an exception of moving the result in or out comes out of the await") {
    auto make = [](int moves) -> task<refuses_move> { co_return refuses_move(moves); };
    for (int moves = 0; moves < 3; ++moves) {
        bool thrown = false;
        auto parent = [&]() -> task<> {
            try {
                const refuses_move got = co_await make(moves);
                CHECK(got.instance.number() == 1);
            } catch (const std::runtime_error&) {
                thrown = true;
            }
        };
        sync_wait(parent());
        // One move into the frame, one out of it.
        CHECK(thrown == (moves < 2));
        CHECK(counted::alive() == 0);
    }
}

TEST_CASE("an exception leaves the task that is awaited next untouched") {
    auto parent = []() -> task<int> {
        int caught = 0;
        for (int i = 0; i < 1000; ++i) {
            try {
                (void)co_await fail("again");
            } catch (const std::runtime_error&) {
                ++caught;
            }
            caught += co_await give(1);
        }
        co_return caught;
    };
    CHECK(sync_wait(parent()) == 2000);
}

// ---- depth ----

// Full counts in every build mode: a mode in which an await costs stack fails here.

TEST_CASE("ten million awaits in a loop do not grow the stack") {
    auto loop = []() -> task<long> {
        long sum = 0;
        for (int i = 0; i < 10'000'000; ++i) {
            sum += co_await give(1);
        }
        co_return sum;
    };
    CHECK(sync_wait(loop()) == 10'000'000);
}

TEST_CASE("one million nested tasks do not grow the stack") {
    struct chain {
        static task<long> link(int depth) {
            if (depth == 0) {
                co_return 0;
            }
            co_return 1 + co_await link(depth - 1);
        }
    };
    CHECK(sync_wait(chain::link(1'000'000)) == 1'000'000);
}

TEST_CASE("a chain that suspends at its end unwinds on whichever worker resumes it") {
    struct chain {
        static task<long> link(int depth) {
            if (depth == 0) {
                co_await aloft::yield();
                co_return 0;
            }
            co_return 1 + co_await link(depth - 1);
        }
    };
    CHECK(sync_wait(chain::link(200'000)) == 200'000);
}

// ---- misuse ----

TEST_CASE("hidden: await an empty task", "[.]") {
    testing::expect_death();
    auto parent = []() -> task<> {
        task<int> empty;
        (void)co_await std::move(empty);
    };
    sync_wait(parent());
}

TEST_CASE("hidden: await a moved-from task", "[.]") {
    testing::expect_death();
    auto parent = []() -> task<> {
        task<int> first = give(1);
        const task<int> second = std::move(first);
        (void)co_await std::move(first); // NOLINT(bugprone-use-after-move)
    };
    sync_wait(parent());
}

TEST_CASE("hidden: await the same task twice", "[.]") {
    testing::expect_death();
    auto parent = []() -> task<> {
        task<int> child = give(1);
        (void)co_await std::move(child);
        (void)co_await std::move(child); // NOLINT(bugprone-use-after-move)
    };
    sync_wait(parent());
}

TEST_CASE("hidden: wait for an empty task", "[.]") {
    testing::expect_death();
    (void)sync_wait(task<int>());
}

TEST_CASE("awaiting an empty task, or one task twice, ends the program with a sentence") {
    CHECK(testing::dies_with("hidden: await an empty task",
                             "aloft: an empty task (moved from, or awaited before)"));
    CHECK(testing::dies_with("hidden: await a moved-from task",
                             "aloft: an empty task (moved from, or awaited before)"));
    CHECK(
        testing::dies_with("hidden: await the same task twice", "aloft: a task was awaited twice"));
    CHECK(testing::dies_with("hidden: wait for an empty task",
                             "aloft: an empty task (moved from, or awaited before)"));
}

// SPDX-License-Identifier: MIT
// as_result: a system error becomes a value, everything else goes its way.
#include <aloft/as_result.hpp>
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/counted.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

using aloft::as_result;
using aloft::result;
using aloft::sync_wait;
using aloft::task;
using testing::counted;

namespace {

task<int> give(int value) {
    co_await aloft::yield();
    co_return value;
}

template <class T = int>
task<T> refuse() {
    co_await aloft::yield();
    throw std::system_error(std::make_error_code(std::errc::permission_denied), "the operation");
}

} // namespace

TEST_CASE("as_result of a task that ends well holds its value") {
    auto parent = []() -> task<int> {
        const result<int> got = co_await as_result(give(3));
        co_return got.has_value() ? *got : -1;
    };
    CHECK(sync_wait(parent()) == 3);
}

TEST_CASE("as_result of a task that throws a system error holds its code") {
    auto parent = []() -> task<bool> {
        const result<int> got = co_await as_result(refuse());
        const result<void> nothing = co_await as_result(refuse<void>());
        co_return got.error() == std::errc::permission_denied&& nothing.error() ==
            std::errc::permission_denied;
    };
    CHECK(sync_wait(parent()));
}

TEST_CASE("as_result lets other exceptions pass") {
    auto other = []() -> task<int> {
        co_await aloft::yield();
        throw std::out_of_range("not the system's");
    };
    auto parent = [&]() -> task<std::string> {
        try {
            (void)co_await as_result(other());
        } catch (const std::out_of_range& error) {
            co_return error.what();
        }
        co_return "";
    };
    CHECK(sync_wait(parent()) == "not the system's");
}

TEST_CASE("as_result keeps void, references and move-only values") {
    int object = 1;
    auto refer = [&]() -> task<int&> { co_return object; };
    auto own = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(2); };
    auto nothing = []() -> task<> { co_return; };
    auto parent = [&]() -> task<bool> {
        result<int&> same = co_await as_result(refer());
        result<std::unique_ptr<int>> owned = co_await as_result(own());
        const result<void> good = co_await as_result(nothing());
        co_return &*same == &object && **owned == 2 && good.has_value();
    };
    CHECK(sync_wait(parent()));
}

TEST_CASE("as_result of an rvalue reference holds a value") {
    std::string object = "moved";
    auto refer = [&]() -> task<std::string&&> { co_return std::move(object); };
    auto parent = [&]() -> task<std::string> {
        auto got = co_await as_result(refer());
        STATIC_REQUIRE(std::is_same_v<decltype(got), result<std::string>>);
        co_return *got;
    };
    CHECK(sync_wait(parent()) == "moved");
}

TEST_CASE("as_result joins handles, lvalues and temporaries") {
    auto parent = []() -> task<bool> {
        auto good = aloft::spawn(give(4));
        auto bad = aloft::spawn(refuse());
        const result<int> first = co_await as_result(good);
        const result<int> second = co_await as_result(bad);
        const result<int> third = co_await as_result(aloft::spawn(give(5)));
        co_return *first == 4 && second.error() == std::errc::permission_denied && *third == 5 &&
            !good.valid() && !bad.valid();
    };
    CHECK(sync_wait(parent()));
}

TEST_CASE("as_result works with sleeps, offloaded calls and when_all") {
    using namespace std::chrono_literals;
    auto parent = []() -> task<bool> {
        const result<void> slept = co_await as_result(aloft::sleep_for(1ms));
        const result<int> blocked = co_await as_result(aloft::offload([]() -> int {
            throw std::system_error(std::make_error_code(std::errc::broken_pipe));
        }));
        const auto pair = co_await as_result(aloft::when_all(give(1), give(2)));
        const auto failed = co_await as_result(aloft::when_all(give(1), refuse()));
        co_return slept.has_value() && blocked.error() == std::errc::broken_pipe &&
            *pair == std::tuple(1, 2) && failed.error() == std::errc::permission_denied;
    };
    CHECK(sync_wait(parent()));
}

TEST_CASE("as_result can be waited for, spawned, and put into when_all") {
    CHECK(sync_wait(as_result(refuse())).error() == std::errc::permission_denied);
    auto parent = []() -> task<bool> {
        auto [first, second] = co_await aloft::when_all(as_result(refuse()), as_result(give(1)));
        const result<int> third = co_await aloft::spawn(as_result(refuse()));
        co_return !first && *second == 1 && !third;
    };
    CHECK(sync_wait(parent()));
}

TEST_CASE("as_result of an awaitable that is not awaited runs nothing and leaks nothing") {
    bool ran = false;
    auto child = [&](counted) -> task<> {
        ran = true;
        co_return;
    };
    {
        auto never = as_result(child(counted(1)));
        (void)never;
    }
    CHECK_FALSE(ran);
    CHECK(counted::alive() == 0);
}

TEST_CASE("as_result destroys the value exactly once") {
    auto make = []() -> task<counted> { co_return counted(7); };
    auto parent = [&]() -> task<int> {
        const result<counted> got = co_await as_result(make());
        co_return got->number();
    };
    CHECK(sync_wait(parent()) == 7);
    CHECK(counted::alive() == 0);
}

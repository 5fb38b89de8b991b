// SPDX-License-Identifier: MIT
// when_all: every child ends exactly once, results keep their places, the first failure wins.
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/counted.hpp"
#include "helpers/scale.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

using aloft::join_handle;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::when_all;
using aloft::yield;
using testing::counted;

namespace {

task<int> give(int value) {
    co_return value;
}

task<int> give_later(int value, int yields) {
    for (int i = 0; i < yields; ++i) {
        co_await yield();
    }
    co_return value;
}

task<> count_up(std::atomic<int>& counter) {
    co_await yield();
    counter.fetch_add(1);
}

task<int> fail(const char* why) {
    throw std::runtime_error(why);
    co_return 0;
}

task<int> fail_later(const char* why, int yields) {
    for (int i = 0; i < yields; ++i) {
        co_await yield();
    }
    throw std::runtime_error(why);
}

/// A range whose elements are made when they are read.
struct tasks_from_4_to_6 {
    struct iterator {
        using value_type = task<int>;
        using difference_type = std::ptrdiff_t;
        int at = 0;
        task<int> operator*() const { return give(at); }
        iterator& operator++() {
            ++at;
            return *this;
        }
        void operator++(int) { ++at; }
        bool operator==(const iterator&) const = default;
    };
    [[nodiscard]] iterator begin() const { return {4}; }
    [[nodiscard]] iterator end() const { return {7}; }
};

/// Lets others run until `go` is set.
task<> wait_until(const std::atomic<bool>& go) {
    while (!go.load()) {
        co_await yield();
    }
}

} // namespace

TEST_CASE("when_all of several tasks gives a tuple in the order of the arguments") {
    auto parent = []() -> task<std::tuple<int, std::string, double>> {
        auto text = []() -> task<std::string> {
            co_await yield();
            co_return "two";
        };
        auto real = []() -> task<double> { co_return 3.0; };
        co_return co_await when_all(give_later(1, 5), text(), real());
    };
    CHECK(sync_wait(parent()) == std::tuple(1, std::string("two"), 3.0));
}

TEST_CASE("when_all of tasks of void gives void") {
    std::atomic<int> counter{0};
    auto parent = [&]() -> task<> {
        STATIC_REQUIRE(std::is_void_v<aloft::detail::await_result_t<decltype(when_all(
                           count_up(counter), count_up(counter)))>>);
        co_await when_all(count_up(counter), count_up(counter), count_up(counter));
    };
    sync_wait(parent());
    CHECK(counter.load() == 3);
}

TEST_CASE("void among values becomes a monostate") {
    std::atomic<int> counter{0};
    auto parent = [&]() -> task<int> {
        std::tuple<int, std::monostate, int> got =
            co_await when_all(give(1), count_up(counter), give(2));
        co_return std::get<0>(got) * 10 + std::get<2>(got);
    };
    CHECK(sync_wait(parent()) == 12);
    CHECK(counter.load() == 1);
}

TEST_CASE("when_all of one argument and of none") {
    auto parent = []() -> task<int> {
        co_await when_all();
        auto [only] = co_await when_all(give(4));
        co_return only;
    };
    CHECK(sync_wait(parent()) == 4);
}

TEST_CASE("when_all keeps references") {
    int first = 1;
    int second = 2;
    auto refer = [](int& it) -> task<int&> {
        co_await yield();
        co_return it;
    };
    auto parent = [&]() -> task<> {
        std::tuple<int&, int&> got = co_await when_all(refer(first), refer(second));
        std::get<0>(got) = 10;
        std::get<1>(got) = 20;
        std::vector<task<int&>> tasks;
        tasks.push_back(refer(first));
        tasks.push_back(refer(second));
        std::vector<std::reference_wrapper<int>> same = co_await when_all(std::move(tasks));
        same[0].get() += 1;
        same[1].get() += 2;
    };
    sync_wait(parent());
    CHECK(first == 11);
    CHECK(second == 22);
}

TEST_CASE("when_all moves move-only results out") {
    auto make = [](int n) -> task<std::unique_ptr<int>> {
        co_await yield();
        co_return std::make_unique<int>(n);
    };
    auto parent = [&]() -> task<int> {
        auto [one, two] = co_await when_all(make(1), make(2));
        std::vector<task<std::unique_ptr<int>>> tasks;
        for (int i = 3; i < 6; ++i) {
            tasks.push_back(make(i));
        }
        std::vector<std::unique_ptr<int>> rest = co_await when_all(std::move(tasks));
        co_return *one + *two + *rest[0] + *rest[1] + *rest[2];
    };
    CHECK(sync_wait(parent()) == 15);
}

TEST_CASE("when_all of a range gives a vector in the order of the range") {
    auto parent = []() -> task<std::vector<int>> {
        std::vector<task<int>> tasks;
        for (int i = 0; i < 1000; ++i) {
            tasks.push_back(give_later(i, i % 7));
        }
        co_return co_await when_all(std::move(tasks));
    };
    std::vector<int> expected(1000);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(sync_wait(parent()) == expected);
}

TEST_CASE("when_all of an array of tasks gives an array") {
    auto twice = [](int value) -> task<int> { co_return 2 * value; };
    std::atomic<int> ran{0};
    auto counts = [&]() -> task<> {
        ran.fetch_add(1);
        co_return;
    };
    auto parent = [&]() -> task<int> {
        auto children = aloft::when_all(std::array{twice(1), twice(2), twice(3)});
        const std::array<int, 3> results = co_await children;
        auto nothing = aloft::when_all(std::array{counts(), counts()});
        co_await nothing;
        co_return results[0] + 10 * results[1] + 100 * results[2];
    };
    aloft::runtime rt(aloft::runtime_options{}.threads(2));
    CHECK(sync_wait(rt, parent()) == 642);
    CHECK(ran.load() == 2);
}

TEST_CASE("when_all of an empty range is ready at once") {
    auto parent = []() -> task<std::size_t> {
        const std::vector<int> none = co_await when_all(std::vector<task<int>>());
        co_await when_all(std::vector<task<>>());
        co_return none.size();
    };
    CHECK(sync_wait(parent()) == 0);
}

TEST_CASE("when_all of a range with one element") {
    auto parent = []() -> task<std::vector<int>> {
        std::vector<task<int>> tasks;
        tasks.push_back(give_later(8, 2));
        co_return co_await when_all(std::move(tasks));
    };
    CHECK(sync_wait(parent()) == std::vector{8});
}

TEST_CASE("when_all takes lists, lvalue vectors and ranges that make their tasks on the way") {
    auto parent = []() -> task<int> {
        std::list<task<int>> list;
        list.push_back(give(1));
        list.push_back(give(2));
        const std::vector<int> from_list = co_await when_all(std::move(list));

        std::vector<task<int>> vector;
        vector.push_back(give(3));
        const std::vector<int> from_lvalue = co_await when_all(vector);

        const std::vector<int> from_view = co_await when_all(tasks_from_4_to_6());
        int sum = 0;
        for (const std::vector<int>& part : {from_list, from_lvalue, from_view}) {
            sum = std::accumulate(part.begin(), part.end(), sum);
        }
        co_return sum;
    };
    CHECK(sync_wait(parent()) == 1 + 2 + 3 + 4 + 5 + 6);
}

TEST_CASE("a hundred thousand children each end exactly once") {
    constexpr std::size_t children = 100'000;
    std::vector<std::atomic<unsigned char>> ran(children);
    auto child = [&](std::size_t i) -> task<std::size_t> {
        ran[i].fetch_add(1, std::memory_order_relaxed);
        co_return i;
    };
    auto parent = [&]() -> task<std::vector<std::size_t>> {
        std::vector<task<std::size_t>> tasks;
        for (std::size_t i = 0; i < children; ++i) {
            tasks.push_back(child(i));
        }
        co_return co_await when_all(std::move(tasks));
    };
    const std::vector<std::size_t> got = sync_wait(parent());
    REQUIRE(got.size() == children);
    bool all_in_place = true;
    for (std::size_t i = 0; i < children; ++i) {
        all_in_place = all_in_place && got[i] == i && ran[i].load() == 1;
    }
    CHECK(all_in_place);
}

TEST_CASE("a hundred thousand children that suspend each end exactly once") {
    constexpr std::size_t children = 100'000;
    std::atomic<int> counter{0};
    auto parent = [&]() -> task<> {
        std::vector<task<>> tasks;
        for (std::size_t i = 0; i < children; ++i) {
            tasks.push_back(count_up(counter));
        }
        co_await when_all(std::move(tasks));
    };
    sync_wait(parent());
    CHECK(counter.load() == children);
}

TEST_CASE("nested when_all counts every leaf once") {
    struct tree {
        static task<long> leaves(int depth) {
            if (depth == 0) {
                co_return 1;
            }
            auto [left, right] = co_await when_all(leaves(depth - 1), leaves(depth - 1));
            co_return left + right;
        }
    };
    const int depth = testing::slowdown > 1 ? 13 : 17;
    CHECK(sync_wait(tree::leaves(depth)) == 1L << depth);
}

TEST_CASE("when_all inside when_all is awaited like any awaitable") {
    auto parent = []() -> task<int> {
        auto [pair, three] = co_await when_all(when_all(give(1), give_later(2, 3)), give(3));
        co_return std::get<0>(pair) * 100 + std::get<1>(pair) * 10 + three;
    };
    CHECK(sync_wait(parent()) == 123);
}

TEST_CASE("when_all joins handles that are lvalues and handles that are temporaries") {
    auto parent = []() -> task<int> {
        join_handle<int> first = spawn(give_later(1, 3));
        join_handle<int> second = spawn([] { return 20; });
        auto [a, b, c] = co_await when_all(first, second, spawn(give(300)));
        const bool gone = !first.valid() && !second.valid();
        co_return gone ? a + b + c : -1;
    };
    CHECK(sync_wait(parent()) == 321);
}

TEST_CASE("when_all joins a range of handles") {
    auto parent = []() -> task<int> {
        std::vector<join_handle<int>> handles;
        for (int i = 0; i < 100; ++i) {
            handles.push_back(spawn(give_later(i, i % 3)));
        }
        const std::vector<int> got = co_await when_all(std::move(handles));
        co_return std::accumulate(got.begin(), got.end(), 0);
    };
    CHECK(sync_wait(parent()) == 4950);
}

TEST_CASE("when_all awaits sleeps, yields and offloaded calls") {
    using namespace std::chrono_literals;
    auto parent = []() -> task<int> {
        auto blocking = aloft::offload([] { return 5; });
        auto got = co_await when_all(aloft::sleep_for(1ms), yield(), give(2), blocking);
        STATIC_REQUIRE(
            std::is_same_v<decltype(got), std::tuple<std::monostate, std::monostate, int, int>>);
        co_return std::get<2>(got) + std::get<3>(got);
    };
    CHECK(sync_wait(parent()) == 7);
}

TEST_CASE("the children of a when_all are in flight at the same time") {
    // Each child ends only when the other has begun: sequential children would never end.
    std::atomic<bool> first{false};
    std::atomic<bool> second{false};
    auto meet = [](std::atomic<bool>& mine, std::atomic<bool>& other) -> task<> {
        mine.store(true);
        co_await wait_until(other);
    };
    auto parent = [&]() -> task<> { co_await when_all(meet(first, second), meet(second, first)); };
    sync_wait(parent());
    CHECK((first.load() && second.load()));
}

// ---- failure ----

TEST_CASE("the exception that came first is rethrown after every child has ended") {
    std::atomic<bool> go{false};
    std::atomic<int> ended{0};
    auto late = [&]() -> task<> {
        co_await wait_until(go);
        ended.fetch_add(1);
        throw std::logic_error("late");
    };
    auto early = [&]() -> task<> {
        const struct on_exit {
            std::atomic<bool>& flag;
            ~on_exit() { flag.store(true); }
        } release{go};
        ended.fetch_add(1);
        throw std::runtime_error("early");
        co_return;
    };
    // The flag is set before the failing child has been noted, so another child may overtake it
    // there: either exception is right, but both children must have ended.
    auto parent = [&]() -> task<bool> {
        try {
            co_await when_all(late(), early(), late());
        } catch (const std::exception&) {
            co_return true;
        }
        co_return false;
    };
    for (int round = 0; round < 200; ++round) {
        go.store(false);
        ended.store(0);
        REQUIRE(sync_wait(parent()));
        REQUIRE(ended.load() == 3);
    }
}

TEST_CASE("the exception of the child that failed long before the others wins") {
    aloft::runtime one(aloft::runtime_options{}.threads(1).spare_workers(0));
    auto parent = []() -> task<std::string> {
        try {
            (void)co_await when_all(fail_later("third", 90), fail_later("first", 2), give(1),
                                    fail_later("second", 40));
        } catch (const std::runtime_error& error) {
            co_return error.what();
        }
        co_return "nothing thrown";
    };
    CHECK(sync_wait(one, parent()) == "first");
}

TEST_CASE("a failing element of a range is rethrown when all have ended") {
    std::atomic<int> counter{0};
    auto child = [&](int i) -> task<int> {
        co_await yield();
        counter.fetch_add(1);
        if (i % 10 == 3) {
            throw std::out_of_range("three");
        }
        co_return i;
    };
    auto parent = [&]() -> task<> {
        std::vector<task<int>> tasks;
        for (int i = 0; i < 100; ++i) {
            tasks.push_back(child(i));
        }
        (void)co_await when_all(std::move(tasks));
    };
    CHECK_THROWS_AS(sync_wait(parent()), std::out_of_range);
    CHECK(counter.load() == 100);
}

TEST_CASE("children that fail at once, before the last has begun, are handled") {
    auto parent = []() -> task<int> {
        int caught = 0;
        for (int i = 0; i < 100; ++i) {
            try {
                (void)co_await when_all(fail("a"), fail("b"), give(3), fail("c"));
            } catch (const std::runtime_error&) {
                ++caught;
            }
        }
        co_return caught;
    };
    CHECK(sync_wait(parent()) == 100);
}

TEST_CASE("the frames, parameters and results of all children are destroyed") {
    auto child = [](counted parameter, bool bad) -> task<counted> {
        const counted local(1);
        co_await yield();
        if (bad) {
            throw std::runtime_error("bad");
        }
        co_return counted(parameter.number());
    };
    auto parent = [&](bool bad) -> task<int> {
        std::vector<task<counted>> tasks;
        for (int i = 0; i < 50; ++i) {
            tasks.push_back(child(counted(i), bad && i == 20));
        }
        const std::vector<counted> results = co_await when_all(std::move(tasks));
        auto [x, y] = co_await when_all(child(counted(1), false), child(counted(2), bad));
        co_return static_cast<int>(results.size()) + x.number() + y.number();
    };
    CHECK(sync_wait(parent(false)) == 53);
    CHECK(counted::alive() == 0);
    CHECK_THROWS_AS(sync_wait(parent(true)), std::runtime_error);
    CHECK(counted::alive() == 0);
}

TEST_CASE("a when_all that is never awaited destroys its children, which never ran") {
    bool ran = false;
    auto child = [&](counted) -> task<> {
        ran = true;
        co_return;
    };
    {
        auto never = when_all(child(counted(1)), child(counted(2)));
        CHECK(counted::alive() == 2);
        (void)never;
    }
    CHECK_FALSE(ran);
    CHECK(counted::alive() == 0);
}

TEST_CASE("when_all on a runtime with many workers loses no child") {
    aloft::runtime rt(aloft::runtime_options{}.threads(8));
    std::atomic<int> counter{0};
    const auto rounds = static_cast<int>(testing::scaled(1000));
    auto parent = [&]() -> task<> {
        for (int round = 0; round < rounds; ++round) {
            co_await when_all(count_up(counter), count_up(counter), count_up(counter),
                              count_up(counter));
        }
    };
    sync_wait(rt, parent());
    CHECK(counter.load() == 4 * rounds);
}

// SPDX-License-Identifier: MIT
// shared_task, completion_source, to_future: one result, many that wait for it.
#include <aloft/as_result.hpp>
#include <aloft/completion_source.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/shared_task.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/to_future.hpp>
#include <aloft/when_all.hpp>
#include <aloft/when_all_settled.hpp>
#include <aloft/when_any.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include "helpers/child_process.hpp"
#include "helpers/counted.hpp"
#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using aloft::completion_source;
using aloft::runtime;
using aloft::runtime_options;
using aloft::shared_task;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::when_all;
using testing::counted;

namespace {

shared_task<std::string> once(std::atomic<int>& runs) {
    runs.fetch_add(1);
    co_await aloft::sleep_for(2ms);
    co_return "result";
}

} // namespace

TEST_CASE("a shared_task runs once, when it is first awaited, and all get the same object") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> runs{0};
    const shared_task<std::string> shared = once(runs);
    CHECK(runs.load() == 0);
    CHECK_FALSE(shared.done());
    const auto reader = [](shared_task<std::string> copy) -> task<const std::string*> {
        const std::string& text = co_await copy;
        co_return &text;
    };
    std::vector<task<const std::string*>> readers;
    for (int i = 0; i < 100; ++i) {
        readers.push_back(reader(shared));
    }
    const auto seen = sync_wait(rt, when_all(std::move(readers)));
    CHECK(runs.load() == 1);
    CHECK(shared.done());
    for (const std::string* each : seen) {
        CHECK(each == seen.front());
    }
    CHECK(sync_wait(rt, shared) == "result");
    CHECK(runs.load() == 1);
}

TEST_CASE("a shared_task's exception is thrown to everybody, every time") {
    runtime rt(runtime_options{}.threads(2));
    const auto fails = []() -> shared_task<void> {
        co_await aloft::yield();
        throw std::runtime_error("shared");
    };
    const shared_task<void> shared = fails();
    CHECK_THROWS_AS(sync_wait(rt, shared), std::runtime_error);
    CHECK_THROWS_AS(sync_wait(rt, shared), std::runtime_error);
    const shared_task<int> of_task = []() -> task<int> { co_return 3; }();
    CHECK(sync_wait(rt, of_task) == 3);
    static int object = 0;
    const shared_task<int&> reference = []() -> task<int&> { co_return object; }();
    CHECK(&sync_wait(rt, reference) == &object);
}

TEST_CASE("what a temporary shared task gives outlives it") {
    const auto make = []() -> shared_task<std::string> {
        co_await aloft::yield();
        co_return std::string(100, 'x');
    };
    const std::string expected(100, 'x');
    const auto& waited = sync_wait(make()); // a value, whose life the reference prolongs
    CHECK(waited == expected);
    const auto parent = [&]() -> task<int> {
        const auto [a, b] = co_await when_all(make(), make());
        std::vector<shared_task<std::string>> tasks;
        tasks.push_back(make());
        const auto all = co_await when_all(std::move(tasks));
        const auto first = co_await aloft::when_any(make(), make());
        const auto timed = co_await aloft::with_timeout(1h, make());
        const auto kept = co_await aloft::as_result(make());
        const auto [settled] = co_await aloft::when_all_settled(make());
        auto handle = aloft::spawn([&] { return make(); });
        const auto& joined = co_await handle;
        int right = 0;
        for (const std::string* const s :
             {&a, &b, &all.at(0), &first.value, &timed, &kept.value(), &settled.value(), &joined}) {
            right += *s == expected ? 1 : 0;
        }
        co_return right;
    };
    CHECK(sync_wait(parent()) == 8);
}

TEST_CASE("one await that is stopped leaves the work to the others") {
    runtime rt(runtime_options{}.threads(2));
    aloft::semaphore go(0);
    std::atomic<int> begun{0};
    const auto work = [&]() -> shared_task<int> {
        begun.fetch_add(1);
        co_await go.acquire();
        co_return 9;
    };
    const shared_task<int> shared = work();
    CHECK_THROWS_AS(sync_wait(rt, aloft::with_timeout(1ms, shared)), std::system_error);
    auto other = spawn(rt, shared);
    CHECK(begun.load() == 1);
    go.release();
    CHECK(sync_wait(rt, other) == 9);
}

TEST_CASE("a shared_task that everybody has left goes when its work ends, or with its runtime") {
    {
        runtime rt(runtime_options{}.threads(2));
        std::atomic<int> begun{0};
        const auto work = [&](counted parameter) -> shared_task<counted> {
            begun.fetch_add(1);
            co_await aloft::sleep_for(1h);
            co_return parameter;
        };
        {
            const shared_task<counted> never_begun = work(counted(1));
            const shared_task<counted> shared = work(counted(2));
            CHECK_THROWS_AS(sync_wait(rt, aloft::with_timeout(1ms, shared)), std::system_error);
        }
        CHECK(begun.load() == 1);
    }
    CHECK(counted::alive() == 0);
}

TEST_CASE("a completion_source hands a value from a plain thread to every task") {
    runtime rt(runtime_options{}.threads(2));
    completion_source<std::unique_ptr<int>> source;
    const auto reader = [](completion_source<std::unique_ptr<int>> of) -> task<int> {
        const std::unique_ptr<int>& value = co_await of.get();
        co_return *value;
    };
    std::vector<task<int>> readers;
    for (int i = 0; i < 50; ++i) {
        readers.push_back(reader(source));
    }
    std::thread setter([source] { source.set_value(std::make_unique<int>(6)); });
    for (const int each : sync_wait(rt, when_all(std::move(readers)))) {
        CHECK(each == 6);
    }
    setter.join();
    CHECK(source.done());
    CHECK_FALSE(source.try_set_value(nullptr));
    CHECK_FALSE(source.try_set_exception(std::make_exception_ptr(1)));
    const auto late = [&]() -> task<int> { co_return *co_await source.get(); };
    CHECK(sync_wait(rt, late()) == 6);
}

TEST_CASE(
    "a completion_source can hold an exception, nothing, or what its value's constructor threw") {
    runtime rt(runtime_options{}.threads(1));
    const completion_source<int> failed;
    failed.set_exception(std::make_exception_ptr(std::out_of_range("set")));
    CHECK_THROWS_AS(sync_wait(rt, failed.get()), std::out_of_range);
    const completion_source<> done;
    done.set_value();
    CHECK_NOTHROW(sync_wait(rt, done.get()));
    struct refuses {
        explicit refuses(int) { throw std::logic_error("constructor"); }
    };
    const completion_source<refuses> refused;
    refused.set_value(1);
    CHECK_THROWS_AS(sync_wait(rt, refused.get()), std::logic_error);
}

TEST_CASE("a callback may come when nobody waits any more") {
    std::optional<completion_source<counted>> kept;
    {
        runtime rt(runtime_options{}.threads(1));
        completion_source<counted> source;
        kept = source;
        CHECK_THROWS_AS(sync_wait(rt, aloft::with_timeout(1ms, source.get())), std::system_error);
    }
    kept->set_value(5);
    kept.reset();
    CHECK(counted::alive() == 0);
}

TEST_CASE("hidden: set a completion_source twice", "[.]") {
    testing::expect_death();
    const completion_source<int> source;
    source.set_value(1);
    source.set_value(2);
}

TEST_CASE("setting a completion_source twice ends the program with a sentence") {
    CHECK(testing::dies_with("hidden: set a completion_source twice",
                             "aloft: a completion_source was set twice"));
}

TEST_CASE("a source's setting and a stop request race, and every waiter is resumed once") {
    runtime rt(runtime_options{}.threads(2));
    const std::size_t rounds = testing::race_rounds(30'000);
    testing::dice dice(testing::make_seed("setting against stop"));
    std::atomic<std::size_t> ends{0};
    for (std::size_t i = 0; i < rounds; ++i) {
        completion_source<int> source;
        aloft::stop_source stop;
        const auto waits = [&]() -> task<bool> {
            try {
                co_return co_await source.get() == 1;
            } catch (const std::system_error&) {
                co_return false;
            }
        };
        auto both = spawn(rt, aloft::with_stop(stop.get_token(), waits()));
        dice.maybe_yield(2);
        if (dice.below(2) == 0) {
            stop.request_stop();
            source.set_value(1);
        } else {
            source.set_value(1);
            stop.request_stop();
        }
        ends += sync_wait(rt, both) ? 1 : 0;
    }
    CHECK(ends.load() <= rounds);
}

TEST_CASE("to_future gives plain code the result or the exception") {
    runtime rt(runtime_options{}.threads(1));
    const auto work = [](int value) -> task<int> {
        co_await aloft::yield();
        if (value < 0) {
            throw std::runtime_error("negative");
        }
        co_return value;
    };
    std::future<int> good = aloft::to_future(rt, work(4));
    std::future<int> bad = aloft::to_future(rt, work(-1));
    std::future<void> nothing = aloft::to_future(rt, aloft::sleep_for(1ms));
    CHECK(good.get() == 4);
    CHECK_THROWS_AS(bad.get(), std::runtime_error);
    nothing.get();
    CHECK(aloft::to_future(work(5)).get() == 5);
}

TEST_CASE(
    "a future whose runtime ends before its task has been canceled, and a dropped one is joined") {
    std::future<void> waits;
    std::atomic<int> ended{0};
    const auto sleeps = [&]() -> task<> {
        try {
            co_await aloft::sleep_for(1h);
        } catch (...) {
            ++ended;
            throw;
        }
    };
    {
        runtime rt(runtime_options{}.threads(1));
        waits = aloft::to_future(rt, sleeps());
        (void)aloft::to_future(rt, sleeps());
    }
    CHECK(ended == 2);
    try {
        waits.get();
        FAIL("it slept for an hour");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::operation_canceled);
    }
}

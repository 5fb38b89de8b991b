// SPDX-License-Identifier: MIT
// spawn and join_handle: everything that was started ends once, is joined once, and fails once.
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/child_process.hpp"
#include "helpers/counted.hpp"
#include "helpers/scale.hpp"

#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using aloft::join_handle;
using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::yield;
using testing::counted;

namespace {

task<int> give_later(int value, int yields) {
    for (int i = 0; i < yields; ++i) {
        co_await yield();
    }
    co_return value;
}

task<int> throw_from_here(const char* why) {
    co_await yield();
    throw std::runtime_error(why);
}

/// Collects what a runtime reports, as "name: what".
class reports {
public:
    [[nodiscard]] runtime_options options(std::size_t threads) {
        return runtime_options{}.threads(threads).on_unhandled(
            [this](const std::exception_ptr& error, std::string_view name) {
                std::string text(name);
                try {
                    std::rethrow_exception(error);
                } catch (const std::exception& e) {
                    text += std::string(": ") + e.what();
                }
                const std::scoped_lock lock(mutex_);
                texts_.push_back(std::move(text));
            });
    }

    [[nodiscard]] std::vector<std::string> texts() const {
        const std::scoped_lock lock(mutex_);
        return texts_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> texts_;
};

template <class T>
task<> until_done(const join_handle<T>& handle) {
    while (!handle.done()) {
        co_await yield();
    }
}

} // namespace

// ---- what can be spawned ----

TEST_CASE("a spawned task is joined with its value") {
    auto parent = []() -> task<int> {
        join_handle<int> handle = spawn(give_later(3, 2));
        const int got = co_await handle;
        co_return handle.valid() ? -1 : got;
    };
    CHECK(sync_wait(parent()) == 3);
}

TEST_CASE("a spawned function is joined with its value") {
    auto parent = []() -> task<int> { co_return co_await spawn([] { return 11; }); };
    CHECK(sync_wait(parent()) == 11);
}

TEST_CASE("a spawned function of void is joined") {
    std::atomic<int> ran{0};
    auto parent = [&]() -> task<> {
        auto handle = spawn([&] { ran.fetch_add(1); });
        STATIC_REQUIRE(std::is_same_v<decltype(handle)::value_type, void>);
        co_await std::move(handle);
    };
    sync_wait(parent());
    CHECK(ran.load() == 1);
}

TEST_CASE("a spawned function that returns a task is kept alive with its captures") {
    auto parent = []() -> task<int> {
        auto handle =
            spawn([owned = std::make_unique<int>(5), counter = counted(7)]() -> task<int> {
                for (int i = 0; i < 10; ++i) {
                    co_await yield();
                }
                co_return *owned + counter.number();
            });
        co_await yield();
        const int got = co_await handle;
        co_return got;
    };
    CHECK(sync_wait(parent()) == 12);
    CHECK(counted::alive() == 0);
}

TEST_CASE("an awaitable that is no task can be spawned") {
    using namespace std::chrono_literals;
    auto parent = []() -> task<int> {
        co_await spawn(aloft::sleep_for(1ms));
        co_await spawn(yield());
        auto pair = co_await spawn(aloft::when_all(give_later(1, 1), give_later(2, 2)));
        auto inner = co_await spawn(spawn(give_later(4, 1)));
        co_return std::get<0>(pair) + std::get<1>(pair) + inner;
    };
    CHECK(sync_wait(parent()) == 7);
}

// A function and no lambda: g++ 12 fails over the debug information of the latter here.
static int one_thousand() {
    return 1000;
}

TEST_CASE("function objects, function pointers and lvalues can be spawned") {
    struct multiply {
        int factor;
        int operator()() const { return factor * 2; }
    };
    auto parent = []() -> task<int> {
        const multiply by_three{3};
        std::function<int()> wrapped = [] { return 100; };
        int (*plain)() = &one_thousand;
        join_handle<int> a = spawn(by_three);
        join_handle<int> b = spawn(wrapped);
        join_handle<int> c = spawn(plain);
        const int first = co_await a;
        const int second = co_await b;
        const int third = co_await c;
        co_return first + second + third;
    };
    CHECK(sync_wait(parent()) == 1106);
}

TEST_CASE("a spawned task carries references and move-only values") {
    int object = 1;
    auto refer = [](int& it) -> task<int&> {
        co_await yield();
        co_return it;
    };
    auto parent = [&]() -> task<bool> {
        int& same = co_await spawn(refer(object));
        std::unique_ptr<int> owned = co_await spawn([] { return std::make_unique<int>(2); });
        co_return &same == &object && *owned == 2;
    };
    CHECK(sync_wait(parent()));
}

TEST_CASE("captures of a temporary lambda are destroyed exactly once") {
    // With g++ 12 the handle is awaited by its name; that way is right with every compiler.
    auto shared = std::make_shared<counted>(1);
    auto parent = [&]() -> task<long> {
        auto plain = spawn([shared, copy = counted(2)] { return shared.use_count(); });
        const long during = co_await plain;
        auto coroutine = spawn([shared, copy = counted(3)]() -> task<long> {
            co_await yield();
            co_return shared.use_count();
        });
        const long later = co_await coroutine;
        auto blocking = aloft::offload([shared, copy = counted(4)] { return shared.use_count(); });
        const long blocked = co_await blocking;
        co_return during + later * 10 + blocked * 100;
    };
    CHECK(sync_wait(parent()) == 222);
    CHECK(shared.use_count() == 1);
    CHECK(counted::alive() == 1);
}

TEST_CASE("handles of temporary lambdas with captures can be kept in a vector") {
    auto shared = std::make_shared<counted>(1);
    auto parent = [&]() -> task<int> {
        std::vector<join_handle<int>> handles;
        for (int i = 0; i < 100; ++i) {
            handles.push_back(spawn([shared, i] { return shared->number() + i; }));
        }
        int sum = 0;
        for (join_handle<int>& each : handles) {
            sum += co_await each;
        }
        co_return sum;
    };
    CHECK(sync_wait(parent()) == 100 + 4950);
    CHECK(shared.use_count() == 1);
    shared.reset();
    CHECK(counted::alive() == 0);
}

// ---- the handle ----

TEST_CASE("a join handle is a move-only type that can be empty") {
    STATIC_REQUIRE(std::movable<join_handle<int>>);
    STATIC_REQUIRE_FALSE(std::copyable<join_handle<int>>);
    join_handle<int> empty;
    CHECK_FALSE(empty.valid());
    empty.detach();
    runtime rt(runtime_options{}.threads(2));
    join_handle<int> first = spawn(rt, [] { return 1; });
    join_handle<int> second = std::move(first);
    CHECK_FALSE(first.valid()); // NOLINT(bugprone-use-after-move): that is the promise
    CHECK(static_cast<bool>(second));
    CHECK(sync_wait(rt, second) == 1);
    CHECK_FALSE(second.valid());
}

TEST_CASE("assigning to a join handle lets the task that it held run on") {
    std::atomic<int> ran{0};
    {
        runtime rt(runtime_options{}.threads(2));
        join_handle<> handle = spawn(rt, [&] { ran.fetch_add(1); });
        handle = spawn(rt, [&] { ran.fetch_add(10); });
        handle = join_handle<>();
    }
    CHECK(ran.load() == 11);
}

TEST_CASE("a task may be joined before it ends and after it has ended") {
    auto parent = []() -> task<int> {
        std::atomic<bool> go{false};
        join_handle<int> running = spawn([&]() -> task<int> {
            while (!go.load()) {
                co_await yield();
            }
            co_return 1;
        });
        join_handle<> opener = spawn([&] { go.store(true); });
        const int first = co_await running; // most likely before its end
        co_await opener;

        join_handle<int> ended = spawn([] { return 2; });
        co_await until_done(ended);
        const int second = co_await ended;
        co_return first * 10 + second;
    };
    CHECK(sync_wait(parent()) == 12);
}

TEST_CASE("dropped and detached tasks run to their ends before the runtime does") {
    std::atomic<int> ended{0};
    {
        auto job = [&]() -> task<> {
            const counted local(1);
            for (int i = 0; i < 20; ++i) {
                co_await yield();
            }
            ended.fetch_add(1);
        };
        runtime rt(runtime_options{}.threads(3));
        for (int i = 0; i < 50; ++i) {
            {
                auto dropped = spawn(rt, job());
            }
            auto detached = spawn(rt, job());
            detached.detach();
            CHECK_FALSE(detached.valid());
        }
    }
    CHECK(ended.load() == 100);
    CHECK(counted::alive() == 0);
}

TEST_CASE("a handle that is dropped when the task has ended destroys the result") {
    runtime rt(runtime_options{}.threads(2));
    {
        auto handle = spawn(rt, [] { return counted(1); });
        sync_wait(rt, until_done(handle));
        CHECK(counted::alive() == 1);
    }
    CHECK(counted::alive() == 0);
}

TEST_CASE("a handle may outlive the runtime of its task") {
    join_handle<int> handle;
    {
        runtime rt(runtime_options{}.threads(2));
        handle = spawn(rt, give_later(6, 3));
    }
    CHECK(handle.done());
    runtime other(runtime_options{}.threads(1).spare_workers(0));
    CHECK(sync_wait(other, handle) == 6);
}

TEST_CASE("many tasks are spawned and joined, each exactly once") {
    runtime rt(runtime_options{}.threads(4));
    const std::size_t count = testing::scaled(100'000);
    std::vector<std::atomic<unsigned char>> ran(count);
    auto job = [&](std::size_t i) -> task<std::size_t> {
        ran[i].fetch_add(1, std::memory_order_relaxed);
        if (i % 3 == 0) {
            co_await yield();
        }
        co_return i;
    };
    auto parent = [&]() -> task<std::size_t> {
        std::vector<join_handle<std::size_t>> handles;
        handles.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            handles.push_back(spawn(job(i)));
        }
        std::size_t sum = 0;
        for (join_handle<std::size_t>& each : handles) {
            sum += co_await each;
        }
        co_return sum;
    };
    CHECK(sync_wait(rt, parent()) == count * (count - 1) / 2);
    CHECK(std::all_of(ran.begin(), ran.end(), [](const auto& n) { return n.load() == 1; }));
}

TEST_CASE("joins race with ends, and every task is joined once") {
    runtime rt(runtime_options{}.threads(4));
    const auto rounds = static_cast<int>(testing::scaled(50'000));
    auto parent = [&]() -> task<int> {
        int sum = 0;
        for (int i = 0; i < rounds; ++i) {
            join_handle<int> handle = spawn([] { return 1; });
            if (i % 2 == 0) {
                co_await yield();
            }
            sum += co_await handle;
        }
        co_return sum;
    };
    CHECK(sync_wait(rt, parent()) == rounds);
}

TEST_CASE("drops race with ends, and every frame is destroyed once") {
    const auto rounds = static_cast<int>(testing::scaled(50'000));
    std::atomic<int> ended{0};
    {
        runtime rt(runtime_options{}.threads(4));
        auto job = [&](counted parameter) -> task<counted> {
            ended.fetch_add(1);
            co_return parameter;
        };
        auto parent = [&]() -> task<> {
            for (int i = 0; i < rounds; ++i) {
                auto handle = spawn(job(counted(i)));
                if (i % 2 == 0) {
                    co_await yield();
                }
            }
        };
        sync_wait(rt, parent());
    }
    CHECK(ended.load() == rounds);
    CHECK(counted::alive() == 0);
}

// ---- where it runs ----

TEST_CASE("spawn in a task uses its runtime, spawn with a runtime uses that one") {
    runtime first(runtime_options{}.threads(2));
    runtime second(runtime_options{}.threads(2));
    auto parent = [&]() -> task<bool> {
        runtime* here = co_await spawn([] { return &runtime::current(); });
        runtime* there = co_await spawn(second, [] { return &runtime::current(); });
        co_return here == &first&& there == &second && &runtime::current() == &first;
    };
    CHECK(sync_wait(first, parent()));
}

TEST_CASE("joining a task of another runtime goes on on one's own") {
    runtime first(runtime_options{}.threads(2));
    runtime second(runtime_options{}.threads(2));
    const auto rounds = static_cast<int>(testing::scaled(5'000));
    auto parent = [&]() -> task<int> {
        int right = 0;
        for (int i = 0; i < rounds; ++i) {
            const int got = co_await spawn(second, give_later(1, i % 3));
            right += &runtime::current() == &first ? got : 0;
        }
        co_return right;
    };
    CHECK(sync_wait(first, parent()) == rounds);
}

TEST_CASE("spawn on a plain thread and in an offloaded call uses the default runtime") {
    std::atomic<bool> right{false};
    {
        auto handle = spawn([&] {
            right.store(&runtime::current() == &aloft::default_runtime() &&
                        aloft::this_worker::index() >= 0);
        });
        sync_wait(handle);
    }
    CHECK(right.load());

    auto parent = []() -> task<int> {
        join_handle<int> handle = co_await aloft::offload([] { return spawn([] { return 8; }); });
        const int got = co_await handle;
        co_return got;
    };
    CHECK(sync_wait(parent()) == 8);
}

TEST_CASE("several plain threads spawn and join at once") {
    runtime rt(runtime_options{}.threads(3));
    const auto each = static_cast<int>(testing::scaled(5'000));
    std::atomic<long> sum{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            std::vector<join_handle<int>> handles;
            for (int i = 0; i < each; ++i) {
                handles.push_back(spawn(rt, give_later(1, i % 2)));
            }
            for (join_handle<int>& handle : handles) {
                sum.fetch_add(sync_wait(rt, handle));
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(sum.load() == 4L * each);
}

// ---- failure ----

TEST_CASE("an exception that is joined comes out of the join and is not reported") {
    reports seen;
    {
        runtime rt(seen.options(2));
        auto parent = []() -> task<int> {
            int caught = 0;
            for (int i = 0; i < 10; ++i) {
                try {
                    join_handle<int> handle = spawn(throw_from_here("joined"));
                    if (i % 2 == 0) {
                        co_await until_done(handle);
                    }
                    (void)co_await handle;
                } catch (const std::runtime_error& error) {
                    caught += std::string_view(error.what()) == "joined" ? 1 : 0;
                }
            }
            co_return caught;
        };
        CHECK(sync_wait(rt, parent()) == 10);
    }
    CHECK(seen.texts().empty());
}

TEST_CASE("an exception of a plain function comes out of the join") {
    auto parent = []() -> task<bool> {
        try {
            co_await spawn([] { throw std::out_of_range("plain"); });
        } catch (const std::out_of_range&) {
            co_return true;
        }
        co_return false;
    };
    CHECK(sync_wait(parent()));
}

TEST_CASE("an exception of a detached task is reported once, with the coroutine's name") {
    reports seen;
    {
        runtime rt(seen.options(2));
        spawn(rt, throw_from_here("detached")).detach();
    }
    CHECK(seen.texts() == std::vector<std::string>{"throw_from_here: detached"});
}

TEST_CASE("an exception whose handle is dropped before the end is reported once") {
    reports seen;
    {
        runtime rt(seen.options(2));
        aloft::semaphore go(0);
        auto waits = [&]() -> task<> {
            co_await go.acquire();
            co_await throw_from_here("dropped before");
        };
        {
            auto dropped = spawn(rt, waits());
        }
        go.release();
        test_support::wait_until([&] { return !seen.texts().empty(); });
    }
    REQUIRE(seen.texts().size() == 1);
    CHECK(seen.texts()[0].find("dropped before") != std::string::npos);
}

TEST_CASE("an exception whose handle is dropped after the end is reported once") {
    reports seen;
    runtime rt(seen.options(2));
    {
        join_handle<int> handle = spawn(rt, throw_from_here("dropped after"));
        sync_wait(rt, until_done(handle));
        CHECK(seen.texts().empty());
    }
    CHECK(seen.texts() == std::vector<std::string>{"throw_from_here: dropped after"});
}

TEST_CASE("exceptions and drops race, and each exception is reported exactly once") {
    reports seen;
    const std::size_t rounds = testing::scaled(5'000);
    {
        runtime rt(seen.options(4));
        auto parent = [&]() -> task<> {
            for (std::size_t i = 0; i < rounds; ++i) {
                join_handle<int> handle = spawn(throw_from_here("race"));
                if (i % 2 == 0) {
                    co_await yield();
                }
            }
        };
        sync_wait(rt, parent());
    }
    CHECK(seen.texts() == std::vector<std::string>(rounds, "throw_from_here: race"));
}

TEST_CASE("a failed task whose handle outlives the runtime can still be collected") {
    reports seen;
    join_handle<int> handle;
    {
        runtime rt(seen.options(2));
        handle = spawn(rt, throw_from_here("outlived"));
    }
    runtime other(runtime_options{}.threads(1).spare_workers(0));
    CHECK_THROWS_AS(sync_wait(other, handle), std::runtime_error);
    CHECK(seen.texts().empty());
}

TEST_CASE("a failed task whose handle is dropped after the runtime is gone does no harm") {
    reports seen;
    {
        join_handle<int> handle;
        {
            runtime rt(seen.options(2));
            handle = spawn(rt, throw_from_here("outlived and dropped"));
        }
    }
    CHECK(seen.texts() == std::vector<std::string>{"throw_from_here: outlived and dropped"});
}

// ---- misuse ----

TEST_CASE("hidden: await an empty handle", "[.]") {
    testing::expect_death();
    auto parent = []() -> task<> {
        join_handle<> empty;
        co_await empty;
    };
    sync_wait(parent());
}

TEST_CASE("hidden: join one handle in two tasks", "[.]") {
    testing::expect_death();
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    auto forever = []() -> task<> {
        for (;;) {
            co_await yield();
        }
    };
    join_handle<> handle = spawn(rt, forever());
    auto joiner = [&]() -> task<> { co_await handle; };
    sync_wait(rt, aloft::when_all(joiner(), joiner()));
}

TEST_CASE("hidden: nobody collects", "[.]") {
    testing::expect_death();
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    spawn(rt, throw_from_here("left alone")).detach();
}

TEST_CASE("misuse of handles ends the program with a sentence") {
    CHECK(testing::dies_with("hidden: await an empty handle",
                             "aloft: an empty join_handle was used"));
    CHECK(testing::dies_with("hidden: join one handle in two tasks",
                             "aloft: a join_handle was awaited by two coroutines"));
}

TEST_CASE("an exception that nobody collects is printed with the name, and terminates") {
    CHECK(testing::dies_with("hidden: nobody collects",
                             "nobody collected an exception of throw_from_here: left alone"));
}

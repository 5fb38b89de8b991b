// SPDX-License-Identifier: MIT
// runtime: its options, its identity, its beginnings and ends, and what it refuses.
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include <support/descriptors.hpp>
#include <support/processors.hpp>

#include "helpers/child_process.hpp"
#include "helpers/counted.hpp"
#include "helpers/scale.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::yield;
using testing::counted;

namespace {

task<int> give(int value) {
    co_await yield();
    co_return value;
}

/// The text of the invalid_argument that a runtime with these options ends in.
std::string refusal(const runtime_options& options) {
    try {
        const runtime rt(options);
    } catch (const std::system_error& error) {
        return error.code() == std::errc::invalid_argument ? error.what() : "another code";
    }
    return "no refusal";
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace

// ---- options ----

TEST_CASE("options keep what was set and say what they will do otherwise") {
    const runtime_options defaults;
    CHECK_FALSE(defaults.threads().has_value());
    CHECK(defaults.backend() == aloft::backend::automatic);
    CHECK(defaults.ring_entries() == 256);
    CHECK(defaults.blocking_threads() == 512);
    CHECK_FALSE(defaults.on_unhandled());
    const runtime_options set = runtime_options{}
                                    .threads(3)
                                    .backend(aloft::backend::io_uring)
                                    .ring_entries(64)
                                    .blocking_threads(7)
                                    .on_unhandled([](std::exception_ptr, std::string_view) {});
    CHECK(set.threads() == 3);
    CHECK(set.backend() == aloft::backend::io_uring);
    CHECK(set.ring_entries() == 64);
    CHECK(set.blocking_threads() == 7);
    CHECK(static_cast<bool>(set.on_unhandled()));
}

TEST_CASE("an option that is out of range is refused by its name and value") {
    const test_support::no_leaked_descriptors descriptors;
    struct {
        runtime_options options;
        std::string name;
        std::string value;
    } const wrong[] = {
        {runtime_options{}.threads(0), "threads", "0"},
        {runtime_options{}.threads(10'000), "threads", "10000"},
        {runtime_options{}.threads(1025), "threads", "1025"},
        {runtime_options{}.blocking_threads(0), "blocking_threads", "0"},
        {runtime_options{}.blocking_threads(32'769), "blocking_threads", "32769"},
        {runtime_options{}.ring_entries(0), "ring_entries", "0"},
        {runtime_options{}.ring_entries(32'769), "ring_entries", "32769"},
        {runtime_options{}.spare_workers(65), "spare_workers", "65"},
        {runtime_options{}.spin(std::chrono::milliseconds(11)), "spin, in nanoseconds", "11000000"},
    };
    for (const auto& each : wrong) {
        const std::string text = refusal(each.options);
        CAPTURE(text);
        CHECK(contains(text, "runtime_options::" + each.name + ": " + each.value + " "));
    }
}

TEST_CASE("workers stay on the processors that they are given, and no others") {
    const std::vector<unsigned> processors = test_support::processors_of_this_thread();
    REQUIRE_FALSE(processors.empty());
    runtime rt(runtime_options{}.threads(3).spare_workers(0).affinity(processors));
    auto where = []() -> task<bool> {
        co_return test_support::processors_of_this_thread().size() == 1;
    };
    for (int i = 0; i < 100; ++i) {
        REQUIRE(sync_wait(rt, where()));
    }
    const std::string text = refusal(runtime_options{}.threads(2).affinity({4'000}));
    CHECK(contains(text, "runtime_options::affinity"));
    CHECK(contains(text, "processor 4000"));
}

TEST_CASE("a backend that this build does not have is refused by its name") {
#if defined(_WIN32)
    constexpr aloft::backend backend_of_another_system = aloft::backend::epoll;
#else
    constexpr aloft::backend backend_of_another_system = aloft::backend::iocp;
#endif
    try {
        const runtime rt(runtime_options{}.backend(backend_of_another_system));
        FAIL("the runtime was made");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::not_supported);
        CHECK(contains(error.what(), "backend"));
    }
}

TEST_CASE("where a filter denies io_uring the runtime runs on epoll and says why") {
    const char* const denied = std::getenv("ALOFT_TEST_DENIED"); // set where run_denied runs this
    if (denied == nullptr) {
        SKIP("io_uring is not denied here");
    }
    const runtime rt;
    const std::string said(rt.backend());
    const std::string call_and_error(denied); // "setup_EPERM"
    CAPTURE(said, call_and_error);
    CHECK(said.starts_with("epoll: io_uring"));
    CHECK(contains(said, call_and_error.substr(call_and_error.find('_') + 1)));
}

TEST_CASE("the backend's text begins with its name") {
    const runtime rt(runtime_options{}.threads(1));
    CAPTURE(std::string(rt.backend()));
    CHECK((rt.backend().starts_with("io_uring") || rt.backend().starts_with("epoll") ||
           rt.backend().starts_with("iocp")));
}

// ---- identity ----

TEST_CASE("a runtime cannot be copied or moved") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<runtime>);
    STATIC_REQUIRE_FALSE(std::is_move_constructible_v<runtime>);
}

TEST_CASE("the current runtime is the worker's, or the default one elsewhere") {
    runtime rt(runtime_options{}.threads(2));
    auto where = []() -> task<runtime*> { co_return &runtime::current(); };
    CHECK(sync_wait(rt, where()) == &rt);
    CHECK(sync_wait(where()) == &aloft::default_runtime());
    CHECK(&runtime::current() == &aloft::default_runtime());
    runtime* in_thread = nullptr;
    std::thread([&] { in_thread = &runtime::current(); }).join();
    CHECK(in_thread == &aloft::default_runtime());
}

TEST_CASE("the default runtime has one worker per hardware thread") {
    const std::size_t expected = std::max(1u, std::thread::hardware_concurrency());
    CHECK(aloft::default_runtime().threads() == expected);
}

TEST_CASE("every worker has an index of its own, and other threads have none") {
    for (const std::size_t workers : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 64u}) {
        // Without spare workers, who would help out, because the tasks look like hogs.
        runtime rt(runtime_options{}.threads(workers).ring_entries(8).spare_workers(0));
        CHECK(rt.threads() == workers);
        // Each task holds its worker until all of them hold one: so all workers take part.
        std::atomic<std::size_t> arrived{0};
        std::vector<std::atomic<int>> seen(workers);
        auto holds = [&]() -> task<> {
            const auto mine = static_cast<std::size_t>(aloft::this_worker::index());
            seen.at(mine).fetch_add(1);
            arrived.fetch_add(1);
            while (arrived.load() < workers) {
                std::this_thread::yield();
            }
            co_return;
        };
        std::vector<task<>> tasks;
        for (std::size_t i = 0; i < workers; ++i) {
            tasks.push_back(holds());
        }
        sync_wait(rt, aloft::when_all(std::move(tasks)));
        for (const std::atomic<int>& times : seen) {
            REQUIRE(times.load() == 1);
        }
    }
    CHECK(aloft::this_worker::index() == -1);
    CHECK(sync_wait(aloft::offload([] { return aloft::this_worker::index(); })) == -1);
}

TEST_CASE("the same work comes out right on 1 to 8 and on 64 workers") {
    struct tree {
        static task<long> leaves(int depth) {
            if (depth == 0) {
                co_return co_await give(1);
            }
            auto [left, right] = co_await aloft::when_all(leaves(depth - 1), leaves(depth - 1));
            co_return left + right;
        }
    };
    for (const std::size_t workers : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 64u}) {
        runtime rt(runtime_options{}.threads(workers).ring_entries(8));
        const int depth = testing::slowdown > 1 ? 9 : 12;
        REQUIRE(sync_wait(rt, tree::leaves(depth)) == 1L << depth);
    }
}

// ---- beginnings and ends ----

TEST_CASE("a runtime that is never used begins and ends") {
    for (std::size_t i = 0; i < testing::scaled(300); ++i) {
        const runtime rt(runtime_options{}.threads(1 + i % 8));
    }
}

TEST_CASE("many runtimes begin and end one after another with tasks left running") {
    const std::size_t rounds = testing::scaled(300);
    std::atomic<std::size_t> ended{0};
    for (std::size_t i = 0; i < rounds; ++i) {
        auto job = [&](counted) -> task<> {
            co_await aloft::when_all(give(1), give(2));
            ended.fetch_add(1);
        };
        runtime rt(runtime_options{}.threads(1 + i % 4));
        for (int j = 0; j < 10; ++j) {
            spawn(rt, job(counted(j))).detach();
        }
    }
    CHECK(ended.load() == rounds * 10);
    CHECK(counted::alive() == 0);
}

TEST_CASE("tasks that tasks start while the runtime ends are joined too") {
    std::atomic<int> ended{0};
    struct chain {
        static task<> link(std::atomic<int>& count, int left) {
            co_await yield();
            if (left > 0) {
                spawn(link(count, left - 1)).detach();
            }
            count.fetch_add(1);
        }
    };
    for (std::size_t i = 0; i < testing::scaled(50); ++i) {
        ended.store(0);
        {
            runtime rt(runtime_options{}.threads(3));
            spawn(rt, chain::link(ended, 100)).detach();
        }
        REQUIRE(ended.load() == 101);
    }
}

TEST_CASE("a sleep ends with operation_canceled when the runtime ends") {
    std::atomic<int> canceled{0};
    {
        runtime rt(runtime_options{}.threads(2));
        auto sleeps = [&]() -> task<> {
            try {
                co_await aloft::sleep_for(std::chrono::hours(1));
            } catch (const std::system_error& error) {
                canceled.fetch_add(error.code() == std::errc::operation_canceled ? 1 : 0);
            }
        };
        for (int i = 0; i < 20; ++i) {
            spawn(rt, sleeps()).detach();
        }
    }
    CHECK(canceled.load() == 20);
}

TEST_CASE("two runtimes live side by side and hand work to each other") {
    runtime first(runtime_options{}.threads(2));
    runtime second(runtime_options{}.threads(2));
    auto there = [&]() -> task<int> { co_return co_await spawn(first, give(1)); };
    auto here = [&]() -> task<int> {
        int sum = 0;
        for (int i = 0; i < 200; ++i) {
            sum += co_await spawn(second, there());
        }
        co_return sum;
    };
    CHECK(sync_wait(first, here()) == 200);
}

TEST_CASE("a runtime may be made and destroyed on a worker of another and in an offloaded call") {
    runtime outer(runtime_options{}.threads(2));
    auto inside = []() -> task<int> {
        runtime inner(runtime_options{}.threads(2));
        co_return co_await spawn(inner, give(3));
    };
    CHECK(sync_wait(outer, inside()) == 3);
    auto blocking = []() -> task<int> {
        co_return co_await aloft::offload([] {
            runtime inner(runtime_options{}.threads(2));
            return sync_wait(inner, give(4));
        });
    };
    CHECK(sync_wait(outer, blocking()) == 4);
}

TEST_CASE("a runtime's memory does not grow with the tasks that it has run") {
    runtime rt(runtime_options{}.threads(2));
    auto work = [](int rounds) -> task<> {
        for (int i = 0; i < rounds; ++i) {
            co_await spawn(give(i));
        }
    };
    sync_wait(rt, work(static_cast<int>(testing::scaled(50'000))));
    CHECK(counted::alive() == 0);
}

// ---- refusals ----

TEST_CASE("hidden: default on_unhandled", "[.]") {
    testing::expect_death();
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    auto careless = []() -> task<> {
        throw std::runtime_error("left alone");
        co_return;
    };
    spawn(rt, careless()).detach();
}

TEST_CASE("hidden: default on_unhandled of something odd", "[.]") {
    testing::expect_death();
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    auto careless = []() -> task<> {
        throw 42;
        co_return;
    };
    spawn(rt, careless()).detach();
}

TEST_CASE("an exception that nobody collects terminates the program by default") {
    CHECK(testing::dies_with("hidden: default on_unhandled", "left alone"));
    CHECK(testing::dies_with("hidden: default on_unhandled of something odd",
                             "nobody collected an exception of"));
}

TEST_CASE("hidden: a runtime destroyed on its own worker", "[.]") {
    testing::expect_death();
    auto rt = std::make_unique<runtime>(runtime_options{}.threads(2));
    auto destroys = [&]() -> task<> {
        rt.reset();
        co_return;
    };
    sync_wait(*rt, destroys());
}

TEST_CASE("destroying a runtime on one of its own workers ends the program with a sentence") {
    CHECK(testing::dies_with("hidden: a runtime destroyed on its own worker",
                             "aloft: a runtime was destroyed on one of its own workers"));
}

#if !defined(_WIN32) // which does not fork

TEST_CASE("using a runtime after fork() ends the child with a sentence, and not the parent") {
    runtime rt(runtime_options{}.threads(2));
    CHECK(sync_wait(rt, give(1)) == 1);
    const testing::child_end by_wait = testing::run_in_fork([&] { (void)sync_wait(rt, give(1)); });
    CAPTURE(by_wait.errors);
    CHECK(by_wait.signal == SIGABRT);
    CHECK(contains(by_wait.errors, "aloft: a runtime was used in a child process after fork()"));
    const testing::child_end by_spawn = testing::run_in_fork([&] { spawn(rt, give(1)).detach(); });
    CHECK(by_spawn.signal == SIGABRT);
    CHECK(contains(by_spawn.errors, "after fork()"));
    CHECK(sync_wait(rt, give(2)) == 2);
}

TEST_CASE("hidden: the child of a fork leaves main", "[.]") {
    // The parent's runtimes are destroyed in the child too: by hand, and at exit.
    CHECK(sync_wait(give(1)) == 1);
    std::optional<runtime> rt(std::in_place, runtime_options{}.threads(2));
    CHECK(sync_wait(*rt, give(1)) == 1);
    const testing::child_end end = testing::run_in_fork([&] {
        ::alarm(120); // ends it if it hangs
        rt.reset();
        std::exit(7);
    });
    if (end.exit_code != 7) {
        std::fprintf(stderr, "the child ended by signal %d: %s\n", end.signal, end.errors.c_str());
    }
    REQUIRE(end.exit_code == 7);
}

TEST_CASE("a child process can exit, and destroy the runtimes of its parent, without hanging") {
    const testing::child_end end =
        testing::run_hidden_test("hidden: the child of a fork leaves main");
    CAPTURE(end.errors, end.signal);
    CHECK(end.exit_code == 0);
    CHECK(end.signal == 0);
}

#if !ALOFT_TSAN // which does not follow threads that a forked child starts
TEST_CASE("a child process can have a runtime of its own") {
    runtime rt(runtime_options{}.threads(2));
    CHECK(sync_wait(rt, give(1)) == 1);
    const testing::child_end end = testing::run_in_fork([] {
        ::alarm(120); // ends it if it hangs
        runtime own(runtime_options{}.threads(2));
        if (sync_wait(own, give(5)) != 5) {
            std::abort();
        }
    });
    CAPTURE(end.errors, end.signal);
    CHECK(end.signal == 0);
}
#endif

#endif

// SPDX-License-Identifier: MIT
// priority: high before normal before background, none starves, and whoever awaits goes on in its own
// class.
#include <aloft/mutex.hpp>
#include <aloft/offload.hpp>
#include <aloft/priority.hpp>
#include <aloft/run_on.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/strand.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/task_group.hpp>
#include <aloft/task_local.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/yield.hpp>

#include "helpers/races.hpp"
#include "helpers/scale.hpp"

#include <support/endings.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using aloft::priority;
using aloft::run_on;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sleep_for;
using aloft::spawn;
using aloft::strand;
using aloft::sync_wait;
using aloft::task;
using aloft::when_all;
using aloft::with_priority;
using aloft::yield;
using test_support::wait_until;

namespace {

/// Gives the executor of the task that awaits it.
class own_executor {
public:
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        exec_ = aloft::detail::executor_of(aloft::detail::environment_of(self));
        return false;
    }
    [[nodiscard]] const aloft::detail::executor* await_resume() const noexcept { return exec_; }

private:
    const aloft::detail::executor* exec_ = nullptr;
};

task<bool> is_of(runtime& rt, priority p) {
    const auto* const before = co_await own_executor();
    co_await yield();
    const auto* const behind = co_await own_executor();
    co_return before == &rt.root_environment().exec->in_class(p) && behind == before;
}

/// Is always ready, until it is enough.
task<void> never_idle(std::atomic<std::size_t>& turns, const std::atomic<bool>& enough) {
    while (!enough.load()) {
        turns.fetch_add(1);
        co_await yield();
    }
}

task<void> several(std::size_t count, std::atomic<std::size_t>& turns,
                   const std::atomic<bool>& enough) {
    std::vector<task<>> all;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(never_idle(turns, enough));
    }
    co_await when_all(std::move(all));
}

} // namespace

TEST_CASE("a free worker takes high work first and background work last") {
    runtime rt(test_support::workers(1));
    constexpr int rounds = 200;
    int in_order = 0;
    const auto all = [&]() -> task<> {
        for (int i = 0; i < rounds; ++i) {
            std::string order;
            const auto notes = [&order](char c) { return [&order, c] { order += c; }; };
            auto last = spawn(priority::background, notes('b'));
            auto middle = spawn(notes('n'));
            auto first = spawn(priority::high, notes('h'));
            co_await last;
            co_await middle;
            co_await first;
            in_order += order == "hnb" ? 1 : 0;
        }
    };
    sync_wait(rt, all());
    std::printf("in order: %d of %d\n", in_order, rounds);
    CHECK(in_order > rounds / 2); // turns that fairness gives to the others come between
}

TEST_CASE("work of each class is taken first in, first out") {
    runtime rt(test_support::workers(1));
    for (const priority p : {priority::high, priority::background}) {
        std::vector<int> order;
        const auto all = [&]() -> task<> {
            std::vector<aloft::join_handle<>> handles;
            for (int i = 0; i < 100; ++i) {
                handles.push_back(spawn(p, [&order, i] { order.push_back(i); }));
            }
            for (auto& handle : handles) {
                co_await handle;
            }
        };
        sync_wait(rt, all());
        REQUIRE(order.size() == 100);
        for (int i = 0; i < 100; ++i) {
            CHECK(order[static_cast<std::size_t>(i)] == i);
        }
    }
}

TEST_CASE("children inherit the class, and the caller goes on in its own") {
    runtime rt(runtime_options{}.threads(2));
    static const aloft::task_local<int> local{1};
    for (const priority p : {priority::high, priority::normal, priority::background}) {
        const auto work = [&]() -> task<bool> {
            bool right = co_await is_of(rt, p);
            const auto [a, b] = co_await when_all(is_of(rt, p), is_of(rt, p));
            right = right && a && b;
            co_await aloft::with_task_group([&](aloft::task_group& group) -> task<> {
                group.spawn([](runtime& on, priority q, bool& result) -> task<> {
                    const bool seen = co_await is_of(on, q);
                    result = result && seen;
                }(rt, p, right));
                co_return;
            });
            co_await sleep_for(100us);
            co_await aloft::offload([] {});
            right = co_await is_of(rt, p) && right;
            right = co_await with_priority(priority::normal, is_of(rt, priority::normal)) && right;
            right = co_await is_of(rt, p) && right;
            const int bound = co_await local.get();
            co_return right&& bound == 2;
        };
        const auto calls = [&]() -> task<bool> {
            const bool inside = co_await local.with(2, with_priority(p, work()));
            const bool outside = co_await is_of(rt, priority::normal);
            co_return inside&& outside;
        };
        CHECK(sync_wait(rt, calls()));
        CHECK(sync_wait(rt, spawn(rt, p, is_of(rt, p))));
        const auto spawns = [&]() -> task<bool> { co_return co_await spawn(p, is_of(rt, p)); };
        CHECK(sync_wait(rt, spawns()));
    }
}

TEST_CASE("background work gets its turns beside endless work of the other classes") {
    for (const std::size_t threads : {std::size_t{1}, std::size_t{2}}) {
        for (const int busy : {1, 2, 3}) { // bits: high, normal
            runtime rt(test_support::workers(threads));
            std::atomic<bool> enough{false};
            std::atomic<std::size_t> turns{0};
            std::size_t longest = 0;
            const auto waits = [&]() -> task<> {
                for (int i = 0; i < 20; ++i) {
                    const std::size_t before = turns.load();
                    co_await yield();
                    longest = std::max(longest, turns.load() - before);
                }
                enough.store(true);
            };
            const auto high = [&]() -> task<> {
                co_await with_priority(priority::high,
                                       several((busy & 1) != 0 ? 4 : 0, turns, enough));
            };
            const auto normal = [&]() -> task<> {
                co_await several((busy & 2) != 0 ? 4 : 0, turns, enough);
            };
            sync_wait(rt, when_all(high(), normal(), with_priority(priority::background, waits())));
            std::printf("%zu threads, busy %d: background waited for at most %zu turns\n", threads,
                        busy, longest);
            if (threads == 1) {
                CHECK(longest <= (busy == 1 ? 64 : 1024 + 64));
            }
        }
    }
}

TEST_CASE("normal work gets its turns beside endless high work, and so do its timers") {
    runtime rt(test_support::workers(1));
    std::atomic<bool> enough{false};
    std::atomic<std::size_t> turns{0};
    std::size_t longest = 0;
    const auto waits = [&]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            const std::size_t before = turns.load();
            co_await yield();
            longest = std::max(longest, turns.load() - before);
        }
        co_await sleep_for(1ms);
        auto forked = spawn([] {});
        co_await forked;
        enough.store(true);
    };
    sync_wait(rt, when_all(with_priority(priority::high, several(4, turns, enough)), waits()));
    std::printf("normal waited for at most %zu turns\n", longest);
    CHECK(longest <= 32);
}

TEST_CASE("tasks of all classes on several workers end once each, with their values") {
    runtime rt(runtime_options{}.threads(4));
    const std::size_t count = testing::scaled(3000);
    std::array<std::atomic<std::size_t>, 3> done{};
    const auto works = [&](std::size_t n) -> task<std::size_t> {
        co_await yield();
        if (n % 16 == 0) {
            co_await sleep_for(50us);
        }
        co_await yield();
        done[n % 3].fetch_add(1);
        co_return n;
    };
    const auto all = [&]() -> task<std::size_t> {
        std::vector<task<std::size_t>> calls;
        for (std::size_t i = 0; i < count; ++i) {
            calls.push_back([](priority p, task<std::size_t> work) -> task<std::size_t> {
                co_return co_await with_priority(p, std::move(work));
            }(static_cast<priority>(i % 3), works(i)));
        }
        std::size_t sum = 0;
        for (const std::size_t each : co_await when_all(std::move(calls))) {
            sum += each;
        }
        co_return sum;
    };
    CHECK(sync_wait(rt, all()) == count * (count - 1) / 2);
    CHECK(done[0] + done[1] + done[2] == count);
}

TEST_CASE("what plain threads post to sleeping workers is found at once, whatever its class") {
    runtime rt(runtime_options{}.threads(2));
    for (std::size_t i = 0; i < testing::scaled(3000); ++i) {
        const int got =
            sync_wait(spawn(rt, static_cast<priority>(i % 3), [] { return 7; })); // or it hangs
        REQUIRE(got == 7);
    }
}

TEST_CASE("an exception passes through a change of class") {
    runtime rt(runtime_options{}.threads(1));
    const auto throws = []() -> task<int> {
        co_await yield();
        throw std::runtime_error("in class");
    };
    CHECK_THROWS_AS(sync_wait(rt, with_priority(priority::background, throws())),
                    std::runtime_error);
    CHECK_THROWS_AS(sync_wait(rt, spawn(rt, priority::high, throws())), std::runtime_error);
}

TEST_CASE("on a strand the class changes nothing, and without a runtime it has no effect") {
    runtime rt(runtime_options{}.threads(2));
    strand s(rt);
    const auto inside = [&]() -> task<bool> {
        co_await yield();
        co_return s.runs_here();
    };
    const auto calls = [&]() -> task<bool> {
        const bool right = co_await with_priority(priority::high, inside());
        co_return right&& s.runs_here();
    };
    CHECK(sync_wait(s, calls()));
    CHECK(sync_wait(rt, with_priority(priority::high, run_on(s, inside()))));
}

TEST_CASE("a stop request races the end of background work, and either wins whole") {
    aloft::mutex gate;
    std::optional<aloft::mutex::guard> held(gate.try_lock());
    testing::races(
        "background", 2000,
        [&] {
            return with_priority(priority::background, [](aloft::mutex& m) -> task<> {
                const auto guard = co_await m.lock();
            }(gate));
        },
        [&] { held.reset(); },
        [&](bool) {
            wait_until([&] {
                held.emplace(gate.try_lock());
                return static_cast<bool>(*held);
            });
            return true;
        });
}

TEST_CASE("a runtime that goes ends parked and ready tasks of every class") {
    for (int round = 0; round < 20; ++round) {
        std::atomic<int> ended{0};
        std::atomic<int> begun{0};
        {
            const auto parks = [&]() -> task<> {
                begun.fetch_add(1);
                try {
                    co_await sleep_for(1h);
                } catch (const std::system_error&) { // the only way out
                }
                co_await yield();
                ended.fetch_add(1);
            };
            const auto ready = [&]() -> task<> {
                begun.fetch_add(1);
                const aloft::stop_token token = co_await aloft::this_task::stop_token();
                while (!token.stop_requested()) {
                    co_await yield();
                }
                ended.fetch_add(1);
            };
            runtime rt(runtime_options{}.threads(2).on_unhandled([](std::exception_ptr, auto) {}));
            for (const priority p : {priority::high, priority::normal, priority::background}) {
                spawn(rt, p, parks()).detach();
                spawn(rt, p, ready()).detach();
            }
            wait_until([&] { return begun.load() == 6; });
        }
        REQUIRE(ended.load() == 6);
    }
}

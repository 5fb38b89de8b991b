// SPDX-License-Identifier: MIT
// strand: one at a time, first come, first served, and back on it after every kind of waiting.
#include <aloft/channel.hpp>
#include <aloft/event.hpp>
#include <aloft/mutex.hpp>
#include <aloft/offload.hpp>
#include <aloft/run_on.hpp>
#include <aloft/runtime.hpp>
#include <aloft/select.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/strand.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/task_group.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/when_any.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include "helpers/races.hpp"
#include "helpers/scale.hpp"

#include <support/child_process.hpp>
#include <support/doorbell.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using aloft::run_on;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sleep_for;
using aloft::spawn;
using aloft::stop_source;
using aloft::strand;
using aloft::sync_wait;
using aloft::task;
using aloft::when_all;
using aloft::with_stop;
using aloft::with_timeout;
using aloft::yield;
using test_support::wait_until;

namespace {

/// Plain variables on purpose: whatever runs beside another turn is a data race.
struct guarded {
    std::size_t count = 0;
    bool inside = false;
    std::size_t violations = 0;

    void turn() noexcept {
        violations += inside ? 1 : 0;
        inside = true;
        for (int i = 0; i < 20; ++i) {
            aloft::detail::spin_pause();
        }
        ++count;
        inside = false;
    }
};

task<void> take_turns(strand& s, guarded& data, std::size_t turns, std::atomic<std::size_t>& away) {
    for (std::size_t i = 0; i < turns; ++i) {
        away.fetch_add(s.runs_here() ? 0 : 1);
        data.turn();
        co_await yield();
    }
}

task<bool> is_on(const strand& s) {
    co_return s.runs_here();
}

} // namespace

TEST_CASE("turns on a strand never overlap, and none is lost") {
    runtime rt(runtime_options{}.threads(4));
    strand s(rt);
    guarded data;
    std::atomic<std::size_t> away{0};
    constexpr std::size_t tasks = 32;
    const std::size_t turns = testing::scaled(500);
    const auto all = [&]() -> task<> {
        std::vector<task<>> several;
        for (std::size_t i = 0; i < tasks; ++i) {
            several.push_back(
                [](strand& on, guarded& d, std::size_t n, std::atomic<std::size_t>& a) -> task<> {
                    co_await run_on(on, take_turns(on, d, n, a));
                }(s, data, turns, away));
        }
        co_await when_all(std::move(several));
    };
    sync_wait(rt, all());
    CHECK(data.count == tasks * turns);
    CHECK(data.violations == 0);
    CHECK(away.load() == 0);
}

TEST_CASE("what several plain threads send to a strand is run once each, one at a time") {
    runtime rt(runtime_options{}.threads(2));
    strand s(rt);
    guarded data;
    const std::size_t each = testing::scaled(2000);
    std::vector<std::thread> senders;
    for (int t = 0; t < 3; ++t) {
        senders.emplace_back([&] {
            for (std::size_t i = 0; i < each; ++i) {
                sync_wait(s, [](guarded& d) -> task<> {
                    d.turn();
                    co_return;
                }(data));
            }
        });
    }
    for (std::thread& each_sender : senders) {
        each_sender.join();
    }
    const bool seen = sync_wait(s, is_on(s));
    CHECK(seen);
    CHECK(data.count == 3 * each);
    CHECK(data.violations == 0);
}

TEST_CASE("a strand runs its coroutines in the order in which they became ready") {
    runtime rt(runtime_options{}.threads(4));
    strand s(rt);
    static constexpr int tasks = 300; // more than one drain takes
    std::vector<int> order;
    const auto sends = [&]() -> task<> { // on the strand: nothing is run before it suspends
        std::vector<aloft::join_handle<void>> handles;
        for (int i = 0; i < tasks; ++i) {
            handles.push_back(spawn([](std::vector<int>& to, int n) -> task<> {
                to.push_back(n);
                co_await yield();
                to.push_back(tasks + n);
            }(order, i)));
        }
        for (auto& handle : handles) {
            co_await handle;
        }
    };
    sync_wait(s, sends());
    REQUIRE(order.size() == 2 * tasks);
    for (int i = 0; i < 2 * tasks; ++i) {
        REQUIRE(order[static_cast<std::size_t>(i)] == i);
    }
}

TEST_CASE("after every kind of waiting a coroutine goes on on its strand") {
    runtime rt(runtime_options{}.threads(2));
    strand s(rt);
    test_support::doorbell ready;
    aloft::mutex gate;
    aloft::channel<int> numbers(1);
    aloft::event set;
    stop_source source;
    const auto waits = [&](bool stoppable) -> task<std::string> {
        std::string wrong;
        const auto check = [&](const char* what) {
            if (!s.runs_here()) {
                wrong += std::string(what) + (stoppable ? " (stoppable) " : " ");
            }
        };
        check("begin");
        co_await yield();
        check("yield");
        co_await sleep_for(1ms);
        check("sleep");
        auto waker = spawn(rt, [&ready] {
            std::this_thread::sleep_for(2ms);
            ready.ring();
        });
        (void)co_await ready.wait();
        check("readiness");
        if (!ready.settle(true)) {
            wrong += "(rang more than once) ";
        }
        co_await waker;
        check("join");
        co_await aloft::offload([] { std::this_thread::sleep_for(1ms); });
        check("offload");
        auto holder = spawn(rt, [](aloft::mutex& m, aloft::event& held) -> task<> {
            const auto guard = co_await m.lock();
            held.set();
            co_await sleep_for(2ms);
        }(gate, set));
        co_await set.wait();
        check("event");
        set.reset();
        {
            const auto guard = co_await gate.lock();
            check("mutex");
        }
        co_await holder;
        auto sender = spawn(rt, [](aloft::channel<int>& to) -> task<> {
            co_await sleep_for(1ms);
            (void)co_await to.send(5);
        }(numbers));
        (void)co_await numbers.recv();
        check("channel");
        co_await sender;
        (void)co_await aloft::select(numbers.recv(), aloft::after(1ms));
        check("select, by its timer");
        auto second = spawn(rt, [](aloft::channel<int>& to) -> task<> {
            co_await sleep_for(1ms);
            (void)co_await to.send(6);
        }(numbers));
        (void)co_await aloft::select(numbers.recv(), aloft::after(60s));
        check("select, by its channel");
        co_await second;
        try {
            co_await with_timeout(1ms, sleep_for(60s));
        } catch (const std::system_error&) {
            check("with_timeout, expired");
        }
        co_await with_timeout(60s, sleep_for(1ms));
        check("with_timeout");
        co_await when_all(sleep_for(1ms), yield(), yield());
        check("when_all");
        const auto [a, b] = co_await when_all(is_on(s), is_on(s));
        wrong += a && b ? "" : "children ";
        (void)co_await aloft::when_any(sleep_for(1ms), sleep_for(60s));
        check("when_any");
        const bool spawned = co_await spawn(is_on(s));
        wrong += spawned ? "" : "spawned ";
        check("join of a spawned");
        co_await run_on(rt, yield());
        check("run_on the runtime");
        co_return wrong;
    };
    CHECK(sync_wait(rt, run_on(s, waits(false))).empty());
    CHECK(sync_wait(rt, with_stop(source.get_token(), run_on(s, waits(true)))).empty());
    CHECK(sync_wait(s, waits(false)).empty());
}

TEST_CASE("coroutines on a strand read and write sockets, one turn at a time") {
    runtime rt(runtime_options{}.threads(3));
    strand s(rt);
    guarded data;
    const std::size_t rounds = testing::scaled(300);
    constexpr std::size_t pairs = 4;
    std::atomic<std::size_t> away{0};
    const auto talks = [&](aloft::tcp_stream stream, bool first) -> task<> {
        std::array<char, 8> buffer{};
        for (std::size_t i = 0; i < rounds; ++i) {
            if (first) {
                co_await stream.write_all(std::span<const char>(buffer));
            }
            (void)co_await stream.read_exact(std::span<char>(buffer));
            away.fetch_add(s.runs_here() ? 0 : 1);
            data.turn();
            if (!first) {
                co_await stream.write_all(std::span<const char>(buffer));
            }
        }
    };
    const auto all = [&]() -> task<> {
        auto listener = aloft::tcp_listener::bind(aloft::endpoint("127.0.0.1", 0));
        std::vector<task<>> several;
        for (std::size_t i = 0; i < pairs; ++i) {
            auto [near, far] = co_await when_all(
                aloft::tcp_stream::connect(listener.local_endpoint()), listener.accept());
            several.push_back(talks(std::move(near), true));
            several.push_back(talks(std::move(far), false));
        }
        co_await when_all(std::move(several));
    };
    sync_wait(rt, run_on(s, all()));
    CHECK(data.count == 2 * pairs * rounds);
    CHECK(data.violations == 0);
    CHECK(away.load() == 0);
}

TEST_CASE("strands of one runtime run beside each other, and hand work to each other") {
    runtime rt(runtime_options{}.threads(3));
    std::array<std::unique_ptr<strand>, 3> strands;
    std::array<guarded, 3> data;
    for (auto& each : strands) {
        each = std::make_unique<strand>(rt);
    }
    const std::size_t rounds = testing::scaled(2000);
    const auto wanders = [&](std::size_t from) -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            const std::size_t at = (from + i) % strands.size();
            co_await run_on(*strands[at], [](guarded& d) -> task<> {
                d.turn();
                co_await yield();
                d.turn();
            }(data[at]));
        }
    };
    sync_wait(rt, when_all(wanders(0), wanders(1), wanders(2), wanders(0)));
    std::size_t sum = 0;
    for (const guarded& each : data) {
        sum += each.count;
        CHECK(each.violations == 0);
    }
    CHECK(sum == 4 * 2 * rounds);
}

TEST_CASE("a strand with much to do leaves its worker to others between") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0)); // nobody else can help
    strand s(rt);
    std::atomic<bool> enough{false};
    std::atomic<std::size_t> turns{0};
    const auto endless = [&]() -> task<> {
        while (!enough.load()) {
            turns.fetch_add(1);
            co_await yield();
        }
    };
    const auto other = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            co_await yield();
        }
        co_await sleep_for(1ms);
        enough.store(true);
    };
    sync_wait(rt, when_all(run_on(s, endless()), run_on(s, endless()), other()));
    CHECK(turns.load() > 0);
}

TEST_CASE("an exception passes from a strand to who awaits it") {
    runtime rt(runtime_options{}.threads(2));
    strand s(rt);
    const auto throws = []() -> task<int> {
        co_await yield();
        throw std::runtime_error("on the strand");
    };
    const auto catches = [&]() -> task<std::string> {
        try {
            (void)co_await run_on(s, throws());
        } catch (const std::runtime_error& error) {
            co_return std::string(error.what()) + (s.runs_here() ? ", still there" : "");
        }
        co_return "nothing";
    };
    CHECK(sync_wait(rt, catches()) == "on the strand");
    auto handle = spawn(s, throws());
    CHECK_THROWS_AS(sync_wait(rt, handle), std::runtime_error);
}

TEST_CASE("a strand may go as soon as the last task on it has ended, whoever saw it end") {
    runtime rt(runtime_options{}.threads(2));
    for (std::size_t i = 0; i < testing::scaled(5000); ++i) {
        auto s = std::make_unique<strand>(rt);
        sync_wait(*s, yield());
        s.reset();
    }
    const auto inside = [&]() -> task<> {
        for (std::size_t i = 0; i < testing::scaled(5000); ++i) {
            strand s;
            co_await run_on(s, yield());
            auto handle = spawn(s, [] {});
            co_await handle;
        }
    };
    sync_wait(rt, when_all(inside(), inside()));
}

TEST_CASE("a stop request races the end of a wait on a strand, and either wins whole") {
    aloft::event set;
    std::optional<runtime> rt;
    rt.emplace(runtime_options{}.threads(2));
    strand s(*rt);
    testing::races(
        "run_on a strand", 4000, [&] { return run_on(s, set.wait()); }, [&] { set.set(); },
        [&](bool) {
            set.reset();
            return !s.runs_here();
        });
}

TEST_CASE("a runtime that goes ends the tasks that are parked on its strands") {
    std::atomic<int> canceled{0};
    std::atomic<int> begun{0};
    std::atomic<int> wrong{0};
    std::optional<runtime> rt;
    rt.emplace(
        runtime_options{}.threads(2).on_unhandled([&](std::exception_ptr, auto) { ++wrong; }));
    std::optional<strand> s;
    s.emplace(*rt);
    test_support::doorbell never;
    aloft::mutex gate;
    auto guard = gate.try_lock();
    const auto parks = [&](auto make) -> task<> {
        begun.fetch_add(1);
        try {
            (void)co_await make();
        } catch (const std::system_error& error) {
            canceled.fetch_add(error.code() == std::errc::operation_canceled ? 1 : 0);
        }
        wrong.fetch_add(s->runs_here() ? 0 : 1);
    };
    spawn(*s, parks([] { return sleep_for(1h); })).detach();
    spawn(*s, parks([&] { return never.wait(); })).detach();
    spawn(*s, parks([&] { return gate.lock(); })).detach();
    spawn(*rt, run_on(*s, parks([] { return with_timeout(1h, sleep_for(2h)); }))).detach();
    wait_until([&] { return begun.load() == 4; });
    rt.reset();
    CHECK(canceled.load() == 4);
    CHECK(wrong.load() == 0);
    s.reset(); // behind its runtime: nothing is left to touch
}

TEST_CASE("a strand that is destroyed with tasks on it is an error that says so") {
    const auto parked = test_support::run_in_child([] {
        runtime rt(runtime_options{}.threads(1));
        strand s(rt);
        aloft::event never;
        std::atomic<bool> begun{false};
        auto handle = spawn(s, [](aloft::event& e, std::atomic<bool>& b) -> task<> {
            b = true;
            co_await e.wait();
        }(never, begun));
        wait_until([&] { return begun.load(); });
        s.~strand();
        return std::string("survived");
    });
    CHECK(parked.aborted());
    CHECK(parked.errors.find("a strand was destroyed before the tasks on it had ended") !=
          std::string::npos);
    const auto own = test_support::run_in_child([] {
        runtime rt(runtime_options{}.threads(1));
        std::optional<strand> s;
        s.emplace(rt);
        sync_wait(*s, [](std::optional<strand>& mine) -> task<> {
            mine.reset();
            co_return;
        }(s));
        return std::string("survived");
    });
    CHECK(own.aborted());
    CHECK(own.errors.find("a strand was destroyed by a task that runs on it") != std::string::npos);
}

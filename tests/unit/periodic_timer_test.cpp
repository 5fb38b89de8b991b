// SPDX-License-Identifier: MIT
// periodic_timer: ticks are due at fixed points, none is lost or made up, and a stop ends the wait.
#include <aloft/periodic_timer.hpp>

#include <aloft/run_on.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/strand.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include <support/child_process.hpp>
#include <support/orphan.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

using namespace std::chrono_literals;
using aloft::periodic_timer;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sleep_for;
using aloft::spawn;
using aloft::stop_source;
using aloft::sync_wait;
using aloft::task;
using aloft::with_stop;
using std::chrono::steady_clock;

namespace {

task<bool> is_canceled(periodic_timer& timer) {
    try {
        (void)co_await timer.tick();
    } catch (const std::system_error& error) {
        co_return error.code() == std::errc::operation_canceled;
    }
    co_return false;
}

} // namespace

TEST_CASE("ticks come at multiples of the period, however long the work between takes") {
    runtime rt(runtime_options{}.threads(1));
    constexpr auto period = 2ms;
    const auto ticks = [&]() -> task<int> {
        const auto before = steady_clock::now();
        periodic_timer timer(period);
        const auto behind = steady_clock::now();
        std::uint64_t sum = 0;
        int on_time = 0;
        for (std::uint64_t i = 1; i <= 20; ++i) {
            const std::uint64_t passed = co_await timer.tick();
            const auto now = steady_clock::now();
            sum += passed;
            CHECK(passed >= 1);
            CHECK(now - before >= period * static_cast<std::int64_t>(sum)); // never early
            on_time += now - behind < period * static_cast<std::int64_t>(sum + 1) ? 1 : 0;
            CHECK(timer.missed() == sum - i);
            co_await sleep_for(1300us); // would add up if the next period began here
        }
        co_return on_time;
    };
    CHECK(sync_wait(rt, ticks()) >= 10);
}

TEST_CASE("ticks that nobody waited for become one, which is ready at once and counted") {
    runtime rt(runtime_options{}.threads(1));
    const auto late = []() -> task<> {
        periodic_timer timer(1ms);
        CHECK(timer.missed() == 0);
        CHECK(timer.period() == 1ms);
        std::this_thread::sleep_for(10ms);
        const std::uint64_t first = co_await timer.tick();
        CHECK(first >= 10);
        CHECK(timer.missed() == first - 1);
        std::this_thread::sleep_for(3ms);
        const std::uint64_t second = co_await timer.tick();
        CHECK(second >= 3);
        CHECK(timer.missed() == first + second - 2);
    };
    sync_wait(rt, late());
}

TEST_CASE("a tick that is due does not suspend, and the next one is in the future") {
    runtime rt(runtime_options{}.threads(1));
    const auto run = []() -> task<> {
        periodic_timer timer(50ms);
        std::this_thread::sleep_for(60ms);
        const auto begin = steady_clock::now();
        auto due = timer.tick();
        (void)co_await due;
        const auto after_due = steady_clock::now();
        (void)co_await timer.tick();
        const auto after_next = steady_clock::now();
        CHECK(after_next > after_due);
        CHECK(after_due >= begin);
    };
    sync_wait(rt, run());
}

TEST_CASE("a period that is not positive is refused, and a very long one is accepted") {
    CHECK_THROWS_AS(periodic_timer(0ms), std::system_error);
    CHECK_THROWS_AS(periodic_timer(-1s), std::system_error);
    runtime rt(runtime_options{}.threads(1));
    const auto waits = []() -> task<bool> {
        periodic_timer timer(std::chrono::hours::max());
        try {
            (void)co_await aloft::with_timeout(1ms, timer.tick());
        } catch (const std::system_error& error) {
            co_return error.code() == std::errc::timed_out;
        }
        co_return false;
    };
    CHECK(sync_wait(rt, waits()));
}

TEST_CASE("a stop ends a tick, before, meanwhile, and where it is due already") {
    runtime rt(runtime_options{}.threads(2));
    periodic_timer never(1h);
    {
        stop_source source;
        source.request_stop();
        CHECK(sync_wait(rt, with_stop(source.get_token(), is_canceled(never))));
    }
    {
        stop_source source;
        std::atomic<bool> begun{false};
        const auto waits = [&]() -> task<bool> {
            begun.store(true);
            co_return co_await is_canceled(never);
        };
        std::thread stopper([&] {
            test_support::wait_until([&] { return begun.load(); });
            source.request_stop();
        });
        CHECK(sync_wait(rt, with_stop(source.get_token(), waits())));
        stopper.join();
    }
    periodic_timer soon(1us);
    std::this_thread::sleep_for(1ms);
    {
        stop_source source;
        source.request_stop();
        CHECK(sync_wait(rt, with_stop(source.get_token(), is_canceled(soon))));
    }
    // a cancelled tick is not lost
    const auto counts = [&]() -> task<std::uint64_t> { co_return co_await soon.tick(); };
    CHECK(sync_wait(rt, counts()) >= 1000);
}

TEST_CASE("the end of the runtime ends a tick, also of a loop that is always late") {
    std::atomic<int> canceled{0};
    std::atomic<int> begun{0};
    periodic_timer never(1h);
    periodic_timer always(1ns);
    {
        runtime rt(runtime_options{}.threads(2));
        spawn(rt,
              [](periodic_timer& timer, std::atomic<int>& b, std::atomic<int>& c) -> task<> {
                  b.fetch_add(1);
                  const bool right = co_await is_canceled(timer);
                  c.fetch_add(right ? 1 : 0);
              }(never, begun, canceled))
            .detach();
        spawn(rt,
              [](periodic_timer& timer, std::atomic<int>& b, std::atomic<int>& c) -> task<> {
                  b.fetch_add(1);
                  bool right = false;
                  while (!right) {
                      right = co_await is_canceled(timer);
                  }
                  c.fetch_add(1);
              }(always, begun, canceled))
            .detach();
        test_support::wait_until([&] { return begun.load() == 2; });
    }
    CHECK(canceled.load() == 2);
}

TEST_CASE("a frame that waits for a tick may be destroyed, and the timer goes on") {
    runtime rt(runtime_options{}.threads(1));
    periodic_timer timer(1h);
    const auto begins = [&]() -> task<test_support::orphan> {
        co_return
            [](periodic_timer& of) -> test_support::orphan { (void)co_await of.tick(); }(timer);
    };
    const auto both = [&]() -> task<bool> {
        auto frame = co_await begins();
        frame.destroy();
        try {
            (void)co_await aloft::with_timeout(1ms, timer.tick());
        } catch (const std::system_error& error) {
            co_return error.code() == std::errc::timed_out;
        }
        co_return false;
    };
    CHECK(sync_wait(rt, both()));
}

TEST_CASE("on a strand ticks come on the strand") {
    runtime rt(runtime_options{}.threads(2));
    aloft::strand s(rt);
    const auto ticks = [&]() -> task<bool> {
        periodic_timer timer(500us);
        bool right = true;
        for (int i = 0; i < 5; ++i) {
            (void)co_await timer.tick();
            right = right && s.runs_here();
        }
        co_return right;
    };
    CHECK(sync_wait(rt, run_on(s, ticks())));
}

TEST_CASE("two ticks at once are an error that says so") {
    const auto answer = test_support::run_in_child([] {
        runtime rt(runtime_options{}.threads(1));
        periodic_timer timer(1h);
        sync_wait(rt, aloft::when_all(timer.tick(), timer.tick()));
        return std::string("survived");
    });
    CHECK(answer.aborted());
    CHECK(answer.errors.find("two ticks of a periodic_timer were awaited at once") !=
          std::string::npos);
}

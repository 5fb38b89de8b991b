// SPDX-License-Identifier: MIT
// sleep_for and sleep_until: lower bounds, order, cancellation, and early destruction.
#include <aloft/timer.hpp>

#include <support/descriptors.hpp>
#include <support/endings.hpp>

#include <aloft/as_result.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <limits>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::runtime;
using aloft::sleep_for;
using aloft::sleep_until;
using aloft::sync_wait;
using aloft::task;
using std::chrono::steady_clock;

namespace {

task<steady_clock::duration> time_asleep(steady_clock::duration duration) {
    const auto before = steady_clock::now();
    co_await sleep_for(duration);
    co_return steady_clock::now() - before;
}

task<void> append_after(steady_clock::time_point when, int number, std::vector<int>& order,
                        steady_clock::time_point& last_began) {
    last_began = steady_clock::now();
    co_await sleep_until(when);
    order.push_back(number);
}

task<void> sleep_and_count(steady_clock::duration duration, std::atomic<int>& woken,
                           std::atomic<int>& too_early) {
    const auto before = steady_clock::now();
    co_await sleep_for(duration);
    too_early += steady_clock::now() - before < duration ? 1 : 0;
    ++woken;
}

const auto an_hour = [] { return sleep_for(1h); };

/// Whether awaiting it would not suspend.
template <class Sleep>
[[nodiscard]] bool is_over(Sleep sleep) {
    return !sleep.await_suspend(std::coroutine_handle<>(std::noop_coroutine()));
}

} // namespace

TEST_CASE("a sleep lasts at least as long as it is asked to") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    const auto duration = GENERATE(1ns, 1us, 1ms, 3ms, 20ms);
    CHECK(sync_wait(rt, time_asleep(duration)) >= duration);
}

TEST_CASE("no time, or a negative one, does not suspend") {
    CHECK(is_over(sleep_for(0s)));
    CHECK(is_over(sleep_for(-1s)));
    CHECK(is_over(sleep_for(std::chrono::hours::min())));
    CHECK(is_over(sleep_until(steady_clock::now() - 1h)));
    CHECK(is_over(sleep_until(std::chrono::system_clock::now() - 1h)));
}

TEST_CASE("the beginning of time is past") {
    CHECK(is_over(sleep_until(steady_clock::time_point::min())));
}

TEST_CASE("the longest times do not come round and end when the runtime does") {
    const no_leaked_descriptors descriptors;
    CHECK(ended_by_destruction([] { return sleep_for(std::chrono::hours::max()); }).canceled());
    CHECK(ended_by_destruction([] { return sleep_for(steady_clock::duration::max()); }).canceled());
    CHECK(ended_by_destruction([] {
              return sleep_until(steady_clock::time_point::max());
          }).canceled());
    const std::chrono::duration<double> infinite(std::numeric_limits<double>::infinity());
    CHECK(ended_by_destruction([infinite] { return sleep_for(infinite); }).canceled());
}

TEST_CASE("fractions of a second are rounded up") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const auto before = steady_clock::now();
    sync_wait(rt, sleep_for(std::chrono::duration<double>(0.0025)));
    CHECK(steady_clock::now() - before >= 2500us);
}

TEST_CASE("sleeping until a time point of either clock does not end before it") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const auto steady = steady_clock::now() + 5ms;
    sync_wait(rt, sleep_until(steady));
    CHECK(steady_clock::now() >= steady);
    const auto before = steady_clock::now();
    sync_wait(rt, sleep_until(std::chrono::system_clock::now() + 5ms));
    CHECK(steady_clock::now() - before >= 4ms);
}

TEST_CASE("on one worker sleepers wake in the order of their deadlines") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    // Deadlines that pass while sleepers are still being started say nothing about order: then once
    // more, with more time before the first of them.
    for (auto lead = 5ms;; lead *= 2) {
        const auto start = steady_clock::now() + lead;
        steady_clock::time_point last_began;
        std::vector<int> order;
        std::vector<task<void>> sleepers;
        for (int i = 0; i < 100; ++i) {
            const int number = i * 37 % 100;
            sleepers.push_back(append_after(start + number * 50us, number, order, last_began));
        }
        sync_wait(rt, aloft::when_all(std::move(sleepers)));
        REQUIRE(order.size() == 100);
        if (last_began < start) {
            CHECK(std::is_sorted(order.begin(), order.end()));
            return;
        }
    }
}

TEST_CASE("ten thousand sleepers wake exactly once and none too early") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u, 4u);
    runtime rt(workers(threads));
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    std::atomic<int> woken{0};
    std::atomic<int> too_early{0};
    std::vector<task<void>> sleepers;
    for (int i = 0; i < 10'000; ++i) {
        sleepers.push_back(
            sleep_and_count(std::chrono::microseconds(random() % 20'000), woken, too_early));
    }
    sync_wait(rt, aloft::when_all(std::move(sleepers)));
    CHECK(woken == 10'000);
    CHECK(too_early == 0);
}

TEST_CASE("a sleep in flight is cancelled by the runtime's destruction") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    const ending result = ended_by_destruction(an_hour, threads);
    CHECK(result.canceled());
    CHECK(result.says("sleep"));
}

TEST_CASE("a sleep that begins after the stop is refused") {
    const no_leaked_descriptors descriptors;
    const ending result = ended_by_refusal(an_hour);
    CHECK(result.canceled());
    CHECK(result.says("sleep"));
}

TEST_CASE("as_result gives a cancelled sleep's error as a value") {
    const no_leaked_descriptors descriptors;
    std::atomic<bool> begun{false};
    aloft::result<void> got;
    {
        runtime rt(workers(1));
        aloft::spawn(rt, [&]() -> task<void> {
            begun = true;
            got = co_await aloft::as_result(sleep_for(1h));
        }).detach();
        wait_until([&] { return begun.load(); });
    }
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error() == std::errc::operation_canceled);
}

TEST_CASE("a sleeping frame that is destroyed takes its timer with it") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(destroyed_on_its_worker(rt, an_hour));
        REQUIRE(destroyed_on_another_thread(rt, an_hour));
    }
    REQUIRE(destroyed_on_its_worker(rt, an_hour, 3ms));
    sync_wait(rt, sleep_for(1ms)); // the wheel still works
}

TEST_CASE("sleeps that are begun on a thread without a runtime end on the default runtime") {
    (void)aloft::default_runtime();
    const no_leaked_descriptors descriptors;
    std::atomic<bool> ended{false};
    (void)run_in_orphan([] { return sleep_for(1ms); }, ended);
    wait_until([&] { return ended.load(); });
    CHECK(ended);
}

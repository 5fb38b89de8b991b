// SPDX-License-Identifier: MIT
// sync_wait: the way from a plain thread into tasks, and its refusal where it would deadlock.
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include <aloft/detail/base/atomic_wait.hpp>

#include <support/descriptors.hpp>

#include "helpers/counted.hpp"
#include "helpers/scale.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using aloft::runtime;
using aloft::runtime_options;
using aloft::sync_wait;
using aloft::task;
using testing::counted;

namespace {

task<int> give(int value) {
    co_await aloft::yield();
    co_return value;
}

} // namespace

TEST_CASE("sync_wait gives values, references, move-only values and nothing") {
    int object = 4;
    auto refer = [&]() -> task<int&> { co_return object; };
    auto own = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
    auto nothing = []() -> task<> { co_return; };
    CHECK(sync_wait(give(3)) == 3);
    CHECK(&sync_wait(refer()) == &object);
    CHECK(*sync_wait(own()) == 5);
    STATIC_REQUIRE(std::is_void_v<decltype(sync_wait(nothing()))>);
    STATIC_REQUIRE(std::is_same_v<decltype(sync_wait(give(1))), int>);
}

TEST_CASE("sync_wait rethrows what the task threw") {
    auto bad = []() -> task<int> {
        co_await aloft::yield();
        throw std::runtime_error("bad");
    };
    CHECK_THROWS_AS(sync_wait(bad()), std::runtime_error);
}

TEST_CASE("sync_wait runs the task on a worker of the runtime that it was given") {
    runtime rt(runtime_options{}.threads(2));
    auto where = []() -> task<std::pair<runtime*, int>> {
        co_return std::pair(&runtime::current(), aloft::this_worker::index());
    };
    const auto [on, index] = sync_wait(rt, where());
    CHECK(on == &rt);
    CHECK((index == 0 || index == 1));
    CHECK(sync_wait(where()).first == &aloft::default_runtime());
    CHECK(aloft::this_worker::index() == -1);
}

TEST_CASE("sync_wait takes awaitables that are no tasks") {
    using namespace std::chrono_literals;
    runtime rt(runtime_options{}.threads(2));
    sync_wait(rt, aloft::sleep_for(1ms));
    sync_wait(rt, aloft::yield());
    CHECK(sync_wait(rt, aloft::offload([] { return 6; })) == 6);
    CHECK(sync_wait(rt, aloft::when_all(give(1), give(2))) == std::tuple(1, 2));
    CHECK(sync_wait(rt, aloft::spawn(rt, give(7))) == 7);
    auto handle = aloft::spawn(rt, give(8));
    CHECK(sync_wait(rt, handle) == 8);
    CHECK_FALSE(handle.valid());
}

TEST_CASE("everything that a waited task holds is destroyed when sync_wait returns") {
    auto holds = [](counted parameter) -> task<counted> {
        const counted local(2);
        co_await aloft::yield();
        co_return parameter;
    };
    CHECK(sync_wait(holds(counted(3))).number() == 3);
    CHECK(counted::alive() == 0);
}

TEST_CASE("several plain threads wait at once, each for its own task") {
    runtime rt(runtime_options{}.threads(2));
    const auto rounds = static_cast<int>(testing::scaled(2'000));
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < rounds; ++i) {
                right.fetch_add(sync_wait(rt, give(t * rounds + i)) == t * rounds + i ? 1 : 0);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(right.load() == 6 * rounds);
}

TEST_CASE("sync_wait on a worker is refused with a sentence, and its task never runs") {
    (void)aloft::default_runtime(); // its descriptors stay
    const test_support::no_leaked_descriptors descriptors;
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    runtime other(runtime_options{}.threads(1).spare_workers(0));
    bool ran = false;
    auto inner = [&](counted) -> task<> {
        ran = true;
        co_return;
    };
    auto outer = [&](runtime* on) -> task<std::string> {
        try {
            if (on == nullptr) {
                sync_wait(inner(counted(1)));
            } else {
                sync_wait(*on, inner(counted(1)));
            }
        } catch (const std::system_error& error) {
            co_return error.code() == std::errc::resource_deadlock_would_occur ? error.what() : "";
        }
        co_return "";
    };
    for (runtime* on : {static_cast<runtime*>(nullptr), &rt, &other}) {
        const std::string what = sync_wait(rt, outer(on));
        CAPTURE(what);
        CHECK(what.find("sync_wait") != std::string::npos);
        CHECK(what.find("worker") != std::string::npos);
    }
    CHECK_FALSE(ran);
    CHECK(counted::alive() == 0);
}

TEST_CASE("sync_wait is allowed in an offloaded call") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    auto outer = [&]() -> task<int> {
        co_return co_await aloft::offload([&] { return sync_wait(rt, give(9)); });
    };
    CHECK(sync_wait(rt, outer()) == 9);
}

TEST_CASE("whoever waits for a variable is woken, also where many variables share a place") {
    struct alignas(16) table { // more of them than places
        aloft::detail::atomic<unsigned> turn{0};
    };
    constexpr std::size_t tables = 24;
    const auto rounds = static_cast<unsigned>(testing::race_rounds(4'000));
    std::vector<table> all(tables);
    const auto play = [&](std::size_t number, unsigned side) {
        aloft::detail::atomic<unsigned>& turn = all[number].turn;
        for (unsigned round = side; round < rounds; round += 2) {
            for (unsigned seen = 0; (seen = turn.load(std::memory_order_acquire)) != round;) {
                aloft::detail::wait_while(turn, seen, aloft::detail::memory_order_acquire);
            }
            turn.store(round + 1, std::memory_order_release);
            aloft::detail::notify_waiters(turn);
        }
    };
    std::vector<std::thread> players;
    for (std::size_t i = 0; i < tables; ++i) {
        players.emplace_back(play, i, 0U);
        players.emplace_back(play, i, 1U);
    }
    for (std::thread& each : players) {
        each.join();
    }
    for (const table& each : all) {
        CHECK(each.turn.load() == rounds);
    }
}

TEST_CASE("a runtime may be destroyed as soon as sync_wait has returned") {
    const std::size_t rounds = testing::scaled(300);
    for (std::size_t i = 0; i < rounds; ++i) {
        runtime rt(runtime_options{}.threads(2));
        REQUIRE(sync_wait(rt, give(1)) == 1);
    }
}

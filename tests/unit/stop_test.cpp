// SPDX-License-Identifier: MIT
// stop_source, stop_token, stop_callback: who is told, once, and when nobody is told any more.
#include <aloft/stop.hpp>

#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

using aloft::stop_callback;
using aloft::stop_source;
using aloft::stop_token;

TEST_CASE("a token without a source is never stopped") {
    const stop_token none;
    CHECK_FALSE(none.stop_possible());
    CHECK_FALSE(none.stop_requested());
    bool called = false;
    {
        const stop_callback callback(none, [&] { called = true; });
    }
    CHECK_FALSE(called);
}

TEST_CASE("the first request calls every callback once, later ones none") {
    stop_source source;
    const stop_token token = source.get_token();
    CHECK(token.stop_possible());
    CHECK(token == source.get_token());
    int calls = 0;
    const stop_callback first(token, [&] { ++calls; });
    const stop_callback second(token, [&] { ++calls; });
    {
        const stop_callback gone(token, [&] { calls += 100; });
    }
    CHECK_FALSE(source.stop_requested());
    CHECK(source.request_stop());
    CHECK_FALSE(source.request_stop());
    CHECK(calls == 2);
    CHECK(token.stop_requested());
}

TEST_CASE("a callback that comes too late is called at once") {
    stop_source source;
    source.request_stop();
    int calls = 0;
    const stop_callback late(source.get_token(), [&] { ++calls; });
    CHECK(calls == 1);
}

TEST_CASE("a callback may destroy itself, and others that have not run") {
    stop_source source;
    int calls = 0;
    struct holder {
        std::optional<stop_callback<std::function<void()>>> callback;
    };
    holder self;
    holder other;
    self.callback.emplace(source.get_token(), [&] {
        ++calls;
        other.callback.reset();
        self.callback.reset();
    });
    other.callback.emplace(source.get_token(), [&] {
        ++calls;
        self.callback.reset();
        other.callback.reset();
    });
    source.request_stop();
    CHECK(calls == 1); // whichever came first took the other out
}

TEST_CASE("a source below another one stops with it, but not the other way round") {
    stop_source above;
    stop_source below(above.get_token());
    stop_source lowest(below.get_token());
    int calls = 0;
    const stop_callback callback(lowest.get_token(), [&] { ++calls; });
    CHECK_FALSE(lowest.stop_requested());
    SECTION("the one above stops") {
        above.request_stop();
        CHECK(below.stop_requested());
        CHECK(lowest.stop_requested());
        CHECK(calls == 1);
        CHECK_FALSE(below.request_stop());
    }
    SECTION("the one below stops") {
        below.request_stop();
        CHECK_FALSE(above.stop_requested());
        CHECK(lowest.stop_requested());
        CHECK(calls == 1);
        above.request_stop();
        CHECK(calls == 1);
    }
}

TEST_CASE("a source that nobody listens to still sees the stop of one above") {
    stop_source above;
    stop_source below(above.get_token());
    above.request_stop();
    CHECK(below.stop_requested());
    int calls = 0;
    const stop_callback callback(below.get_token(), [&] { ++calls; });
    CHECK(calls == 1);
}

TEST_CASE("when a callback's destructor has returned, its function runs no more") {
    testing::dice dice(testing::make_seed("stop callbacks"));
    const std::size_t rounds = testing::scaled(10000);
    for (std::size_t round = 0; round < rounds; ++round) {
        auto source = std::make_unique<stop_source>();
        std::atomic<bool> gone{false};
        std::atomic<bool> go{false};
        std::atomic<int> calls{0};
        bool used_after = false;
        std::optional<stop_callback<std::function<void()>>> callback;
        callback.emplace(source->get_token(), [&] {
            used_after = gone.load();
            ++calls;
        });
        std::thread stopper([&] {
            while (!go.load()) {
            }
            source->request_stop();
        });
        go.store(true);
        dice.maybe_yield(1);
        callback.reset();
        gone.store(true);
        const int before = calls.load();
        stopper.join();
        REQUIRE_FALSE(used_after);
        REQUIRE(calls.load() == before);
        REQUIRE(before <= 1);
    }
}

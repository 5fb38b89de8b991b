// SPDX-License-Identifier: MIT
// What tasks wait at and what stops them may end in any order, also at the same time.
#include <aloft/channel.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/with_stop.hpp>

#include "helpers/scale.hpp"

#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

using aloft::channel;
using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::stop_source;
using aloft::sync_wait;
using aloft::task;
using aloft::with_stop;

namespace {

using rendezvous = channel<int>;

task<int> receive(rendezvous& from, int times) {
    int sum = 0;
    for (int i = 0; i < times; ++i) {
        sum += (co_await from.recv()).value();
    }
    co_return sum;
}

/// Tasks that `source` stops wait at the channel, one after the other.
void wait_often(runtime& rt, stop_source& source, rendezvous& at) {
    constexpr int times = 4;
    auto receiver = spawn(rt, with_stop(source.get_token(), receive(at, times)));
    for (int i = 0; i < times; ++i) {
        test_support::wait_until([&] { return at.try_send(1); }); // there is room when it waits
    }
    CHECK(sync_wait(rt, receiver) == times);
}

/// Several tasks wait at the channel when the request comes, some of which it does not concern.
void stop_waiters(runtime& rt, stop_source& source, rendezvous& at) {
    std::atomic<int> canceled{0};
    auto waits = [&]() -> task<> {
        try {
            (void)co_await at.recv();
        } catch (const std::system_error& error) {
            canceled += error.code() == std::errc::operation_canceled ? 1 : 100;
        }
    };
    stop_source other;
    auto first = spawn(rt, with_stop(source.get_token(), waits()));
    auto second = spawn(rt, with_stop(other.get_token(), receive(at, 1)));
    auto third = spawn(rt, with_stop(source.get_token(), waits()));
    auto fourth = spawn(rt, receive(at, 1));
    source.request_stop();
    sync_wait(rt, first);
    sync_wait(rt, third);
    CHECK(canceled == 2);
    test_support::wait_until([&] { return at.try_send(1); });
    test_support::wait_until([&] { return at.try_send(1); });
    CHECK(sync_wait(rt, second) + sync_wait(rt, fourth) == 2);
}

} // namespace

TEST_CASE("what tasks have waited at outlives their stop source, and serves the next one") {
    runtime rt(runtime_options{}.threads(GENERATE(1u, 2u)));
    rendezvous at(0);
    for (int i = 0; i < 3; ++i) {
        stop_source source;
        wait_often(rt, source, at);
    }
    stop_source last;
    wait_often(rt, last, at);
    stop_waiters(rt, last, at);
}

TEST_CASE("a stop source outlives what its tasks have waited at, and tells the others") {
    runtime rt(runtime_options{}.threads(GENERATE(1u, 2u)));
    stop_source source;
    rendezvous stays(0);
    wait_often(rt, source, stays);
    for (int i = 0; i < 3; ++i) {
        const auto goes = std::make_unique<rendezvous>(0);
        wait_often(rt, source, *goes);
    }
    stop_waiters(rt, source, stays);
}

TEST_CASE("waiters of several stop sources wait at one place, and each has its own end") {
    runtime rt(runtime_options{}.threads(2));
    rendezvous at(0);
    constexpr std::size_t count = 5;
    std::vector<stop_source> sources(count);
    wait_often(rt, sources[2], at);
    wait_often(rt, sources[3], at);
    for (stop_source& each : sources) {
        stop_waiters(rt, each, at);
    }
}

TEST_CASE("what tasks have waited at and their stop source end at once, and a request comes") {
    runtime rt(runtime_options{}.threads(1));
    const std::size_t rounds = testing::scaled(2'000);
    for (std::size_t round = 0; round < rounds; ++round) {
        stop_source above;
        std::optional<stop_source> source(std::in_place, above.get_token());
        std::optional<rendezvous> at(std::in_place, 0u);
        wait_often(rt, *source, *at);
        std::atomic<int> ready{0};
        const auto together = [&](auto end) {
            return std::thread([&ready, end] {
                ++ready;
                while (ready.load() < 3) {
                    std::this_thread::yield();
                }
                end();
            });
        };
        std::thread threads[] = {together([&] { source.reset(); }), together([&] { at.reset(); }),
                                 together([&] { above.request_stop(); })};
        for (std::thread& each : threads) {
            each.join();
        }
    }
}

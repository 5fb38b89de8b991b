// SPDX-License-Identifier: MIT
// broadcast_channel: every subscriber gets every value, or is told how many it was too slow for.
#include <aloft/broadcast_channel.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/yield.hpp>

#include "helpers/counted.hpp"
#include "helpers/scale.hpp"

#include <support/orphan.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using aloft::broadcast_channel;
using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::yield;

TEST_CASE("every subscriber gets every value that is sent after it subscribed") {
    broadcast_channel<std::string> ch(4);
    CHECK(ch.capacity() == 4);
    auto first = ch.subscribe();
    CHECK(ch.send("a"));
    auto second = ch.subscribe();
    CHECK(ch.send("b"));
    CHECK(first.try_recv() == "a");
    CHECK(first.try_recv() == "b");
    CHECK_FALSE(first.try_recv());
    CHECK(second.try_recv() == "b");
    CHECK_FALSE(second.try_recv());
    CHECK(first.missed() == 0);
    auto third = second; // a copy goes on from the same place
    CHECK(ch.send("c"));
    CHECK(second.try_recv() == "c");
    CHECK(third.try_recv() == "c");
}

TEST_CASE("a subscriber that is too slow goes on with what is left, and knows what it missed") {
    broadcast_channel<int> ch(3);
    auto slow = ch.subscribe();
    for (int i = 0; i < 10; ++i) {
        CHECK(ch.send(i));
    }
    CHECK(slow.try_recv() == 7);
    CHECK(slow.missed() == 7);
    CHECK(slow.try_recv() == 8);
    CHECK(slow.try_recv() == 9);
    CHECK_FALSE(slow.try_recv());
    for (int i = 10; i < 14; ++i) {
        CHECK(ch.send(i));
    }
    CHECK(slow.try_recv() == 11);
    CHECK(slow.missed() == 8);
}

TEST_CASE("a broadcast channel holds no more values than its capacity") {
    {
        broadcast_channel<testing::counted> ch(5);
        for (int i = 0; i < 100; ++i) {
            CHECK(ch.send(testing::counted(i)));
        }
        CHECK(testing::counted::alive() == 5);
    }
    CHECK(testing::counted::alive() == 0);
    CHECK_THROWS_AS(broadcast_channel<int>(0), std::system_error);
}

TEST_CASE("closing a broadcast channel lets subscribers get what is left, and then the end") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    auto parent = []() -> task<> {
        broadcast_channel<int> ch(4);
        auto subscription = ch.subscribe();
        auto waits = [&]() -> task<int> {
            auto mine = ch.subscribe();
            int sum = 0;
            while (const auto value = co_await mine.recv()) {
                sum += *value;
            }
            co_return sum;
        };
        auto waiter = spawn(waits());
        for (int turns = 0; turns < 10; ++turns) {
            co_await yield();
        }
        CHECK(ch.send(1));
        CHECK(ch.send(2));
        CHECK(ch.close());
        CHECK_FALSE(ch.close());
        CHECK(ch.closed());
        CHECK_FALSE(ch.send(3));
        const int sum = co_await waiter;
        CHECK(sum == 3);
        const auto one = co_await subscription.recv();
        const auto two = co_await subscription.recv();
        const auto end = co_await subscription.recv();
        CHECK(one == 1);
        CHECK(two == 2);
        CHECK_FALSE(end.has_value());
    };
    sync_wait(rt, parent());
}

TEST_CASE(
    "values from several threads reach each subscriber once and in one order, or are missed") {
    constexpr std::size_t senders = 2;
    constexpr std::size_t subscribers = 4;
    const std::size_t each = testing::scaled(20'000);
    runtime rt(runtime_options{}.threads(3));
    broadcast_channel<std::size_t> ch(64);
    std::atomic<std::size_t> wrong{0};
    std::atomic<std::size_t> ready{0};
    auto receives = [&]() -> task<std::uint64_t> {
        auto mine = ch.subscribe();
        ready.fetch_add(1);
        std::vector<std::size_t> latest(senders, 0);
        std::uint64_t got = 0;
        while (const auto value = co_await mine.recv()) {
            const std::size_t position = *value % each + 1;
            wrong.fetch_add(position > latest[*value / each] ? 0 : 1);
            latest[*value / each] = position;
            ++got;
        }
        co_return got + mine.missed();
    };
    std::vector<aloft::join_handle<std::uint64_t>> handles;
    for (std::size_t i = 0; i < subscribers; ++i) {
        handles.push_back(spawn(rt, receives()));
    }
    test_support::wait_until([&] { return ready.load() == subscribers; });
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < senders; ++t) {
        threads.emplace_back([&, t] {
            for (std::size_t i = 0; i < each; ++i) {
                ch.send(t * each + i);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    ch.close();
    for (auto& handle : handles) {
        CHECK(sync_wait(rt, handle) == senders * each);
    }
    CHECK(wrong.load() == 0);
}

TEST_CASE("a subscriber that waits is ended by a stop, by its frame's end and by the runtime's") {
    broadcast_channel<int> ch(2);
    std::atomic<int> canceled{0};
    std::atomic<int> begun{0};
    auto waits = [&]() -> task<> {
        auto mine = ch.subscribe();
        begun.fetch_add(1);
        try {
            (void)co_await mine.recv();
        } catch (const std::system_error& error) {
            canceled.fetch_add(error.code() == std::errc::operation_canceled ? 1 : 0);
        }
    };
    {
        runtime rt(runtime_options{}.threads(1).spare_workers(0));
        aloft::stop_source source;
        source.request_stop();
        sync_wait(rt, aloft::with_stop(source.get_token(), waits()));
        CHECK(canceled.load() == 1);
        auto parent = [&]() -> task<> {
            auto orphaned = [](broadcast_channel<int>& from) -> test_support::orphan {
                auto mine = from.subscribe();
                (void)co_await mine.recv();
            };
            test_support::orphan frame = orphaned(ch);
            frame.destroy();
            CHECK(ch.send(1)); // nobody waits
            co_return;
        };
        sync_wait(rt, parent());
        spawn(rt, waits()).detach();
        test_support::wait_until([&] { return begun.load() == 2; });
    }
    CHECK(canceled.load() == 2);
}

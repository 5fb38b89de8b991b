// SPDX-License-Identifier: MIT
// watch_channel: whoever waits for a change sees the last one, and perhaps not those before.
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/watch_channel.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/yield.hpp>

#include "helpers/scale.hpp"

#include <support/orphan.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::watch_channel;
using aloft::yield;

TEST_CASE("a watch channel gives the latest value, and tells of changes since the last look") {
    auto parent = []() -> task<> {
        watch_channel<std::string> ch("old");
        CHECK(ch.get() == "old");
        auto subscription = ch.subscribe();
        CHECK(ch.send("newer"));
        CHECK(ch.send("newest"));
        const bool changed = co_await subscription.changed();
        CHECK(changed);
        CHECK(subscription.get() == "newest");
        CHECK(ch.send("last"));
        CHECK(subscription.get() == "last"); // that counts as seen
        ch.close();
        const bool again = co_await subscription.changed();
        CHECK_FALSE(again);
    };
    sync_wait(parent());
}

TEST_CASE("what was sent before a watch channel was closed is still a change") {
    auto parent = []() -> task<> {
        watch_channel<int> ch(0);
        auto subscription = ch.subscribe();
        CHECK(ch.send(1));
        CHECK(ch.close());
        CHECK_FALSE(ch.close());
        CHECK(ch.closed());
        CHECK_FALSE(ch.send(2));
        const bool first = co_await subscription.changed();
        const bool second = co_await subscription.changed();
        CHECK(first);
        CHECK_FALSE(second);
        CHECK(subscription.get() == 1);
    };
    sync_wait(parent());
}

TEST_CASE("all who wait for a change are told, and each sees the last value in the end") {
    const int changes = static_cast<int>(testing::scaled(50'000));
    runtime rt(runtime_options{}.threads(3));
    watch_channel<int> ch(0);
    std::atomic<std::size_t> ready{0};
    std::atomic<int> wrong{0};
    auto watches = [&]() -> task<int> {
        auto mine = ch.subscribe();
        ready.fetch_add(1);
        int latest = 0;
        while (co_await mine.changed()) {
            const int value = mine.get();
            wrong.fetch_add(value >= latest ? 0 : 1);
            latest = value;
        }
        co_return latest;
    };
    std::vector<aloft::join_handle<int>> handles;
    for (int i = 0; i < 5; ++i) {
        handles.push_back(spawn(rt, watches()));
    }
    test_support::wait_until([&] { return ready.load() == 5; });
    std::thread sender([&] {
        for (int i = 1; i <= changes; ++i) {
            ch.send(i);
        }
        ch.close();
    });
    for (auto& handle : handles) {
        CHECK(sync_wait(rt, handle) == changes);
    }
    sender.join();
    CHECK(wrong.load() == 0);
}

TEST_CASE("who waits for a change is ended by a stop, by its frame's end and by the runtime's") {
    watch_channel<int> ch(0);
    std::atomic<int> canceled{0};
    std::atomic<int> begun{0};
    auto waits = [&]() -> task<> {
        auto mine = ch.subscribe();
        begun.fetch_add(1);
        try {
            (void)co_await mine.changed();
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
            auto orphaned = [](watch_channel<int>& from) -> test_support::orphan {
                auto mine = from.subscribe();
                (void)co_await mine.changed();
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

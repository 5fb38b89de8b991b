// SPDX-License-Identifier: MIT
// Nothing that is always there starves anything else: a task that yields for ever, a socket that
// always has data, a tree of tasks that always forks, timers, and tasks posted from outside.
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include <support/descriptors.hpp>
#include <support/hang_guard.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;

namespace {

/// What each kind of work has done so far.
struct progress {
    std::atomic<std::uint64_t> yields{0};
    std::atomic<std::uint64_t> received{0};
    std::atomic<std::uint64_t> trees{0};
    std::atomic<std::uint64_t> ticks{0};
    std::atomic<bool> over{false};
};

task<> yield_for_ever(progress& seen) {
    while (!seen.over.load(std::memory_order_relaxed)) {
        co_await aloft::yield();
        seen.yields.fetch_add(1, std::memory_order_relaxed);
    }
}

task<> fork(int depth) {
    if (depth > 0) {
        co_await aloft::when_all(fork(depth - 1), fork(depth - 1));
    }
}

task<> fork_for_ever(progress& seen) {
    while (!seen.over.load(std::memory_order_relaxed)) {
        co_await fork(10);
        seen.trees.fetch_add(1, std::memory_order_relaxed);
    }
}

task<> tick_for_ever(progress& seen) {
    while (!seen.over.load(std::memory_order_relaxed)) {
        co_await aloft::sleep_for(100us);
        seen.ticks.fetch_add(1, std::memory_order_relaxed);
    }
}

/// Its peer writes without end, so there is always something to receive.
task<> receive_for_ever(aloft::tcp_stream& from, progress& seen) {
    std::array<std::byte, 32 * 1024> buffer;
    // What is left at the end is taken in larger pieces.
    while (co_await from.read_some(std::span(buffer).first(seen.over ? buffer.size() : 64)) > 0) {
        seen.received.fetch_add(1, std::memory_order_relaxed);
    }
}

task<> send_for_ever(aloft::tcp_stream& to, progress& seen) {
    const std::vector<std::byte> much(64 * 1024);
    while (!seen.over.load(std::memory_order_relaxed)) {
        (void)co_await to.write_all(much);
    }
    to.shutdown(aloft::shutdown_how::write);
}

} // namespace

TEST_CASE("a yielder, a busy socket, a forking tree, timers and posts do not starve each other") {
    const no_leaked_descriptors descriptors;
    const std::size_t workers = GENERATE(1u, 2u, 4u);
    CAPTURE(workers);
    // Without spare workers: the workers themselves have to be fair.
    runtime rt(runtime_options{}.threads(workers).spare_workers(0));
    progress seen;
    auto listener = aloft::tcp_listener::bind(aloft::endpoint("127.0.0.1", 0));
    auto connect = [&]() -> task<aloft::tcp_stream> {
        co_return co_await aloft::tcp_stream::connect(listener.local_endpoint());
    };
    auto connecting = spawn(rt, connect());
    aloft::tcp_stream served = sync_wait(rt, listener.accept());
    aloft::tcp_stream sending = sync_wait(rt, connecting);

    std::vector<aloft::join_handle<>> handles;
    handles.push_back(spawn(rt, yield_for_ever(seen)));
    handles.push_back(spawn(rt, fork_for_ever(seen)));
    handles.push_back(spawn(rt, tick_for_ever(seen)));
    handles.push_back(spawn(rt, receive_for_ever(served, seen)));
    handles.push_back(spawn(rt, send_for_ever(sending, seen)));
    // Each of them gets on, again and again, while all the others do; and so does what is posted.
    for (int round = 0; round < 20; ++round) {
        const std::uint64_t yields = seen.yields.load();
        const std::uint64_t received = seen.received.load();
        const std::uint64_t trees = seen.trees.load();
        const std::uint64_t ticks = seen.ticks.load();
        CHECK(sync_wait(rt, spawn(rt, [] { return 1; })) == 1);
        wait_until([&] {
            return seen.yields.load() > yields + 10 && seen.received.load() > received + 10 &&
                   seen.trees.load() > trees && seen.ticks.load() > ticks + 1;
        });
    }
    seen.over.store(true);
    for (auto& each : handles) {
        sync_wait(rt, each);
    }
    CHECK(seen.trees.load() > 0);
}

TEST_CASE("a task whose operations never have to wait lets others have their turn") {
    const no_leaked_descriptors descriptors;
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    auto listener = aloft::tcp_listener::bind(aloft::endpoint("127.0.0.1", 0));
    auto [near, far] =
        sync_wait(rt, aloft::when_all(aloft::tcp_stream::connect(listener.local_endpoint()),
                                      listener.accept()));
    constexpr int wanted = 50;
    int turns = 0; // of one worker
    auto takes_turns = [&]() -> task<> {
        while (turns < wanted) {
            ++turns;
            co_await aloft::yield();
        }
    };
    auto never_waits = [](aloft::tcp_stream& out, aloft::tcp_stream& in, int& others) -> task<int> {
        std::array<std::byte, 1> byte{};
        int operations = 0;
        for (; others < wanted && operations < 100'000; operations += 2) {
            co_await out.write_all(byte);
            co_await in.read_exact(byte); // is there: it went through the loopback device
        }
        co_return operations;
    };
    auto busy = spawn(rt, never_waits(near, far, turns));
    auto other = spawn(rt, takes_turns());
    CHECK(sync_wait(rt, busy) < 100'000);
    sync_wait(rt, other);
    CHECK(turns == wanted);
}

TEST_CASE("children that run one after the other give way, however long they take") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    sync_wait(rt, fork(14));      // it has seen that many of them take no time
    constexpr int children = 100; // not so many that they are shared, in front of the other one
    std::atomic<bool> other_ran{false};
    std::atomic<int> ended{0};
    auto child = [&]() -> task<> {
        const auto end = std::chrono::steady_clock::now() + 50ms;
        while (!other_ran.load() && std::chrono::steady_clock::now() < end) {
        }
        ended.fetch_add(1);
        co_return;
    };
    auto parent = [&]() -> task<> {
        std::vector<task<>> all;
        for (int i = 0; i < children; ++i) {
            all.push_back(child());
        }
        co_await aloft::when_all(std::move(all));
    };
    auto family = spawn(rt, parent());
    wait_until([&] { return ended.load() > 0; });
    auto other = spawn(rt, [&] {
        other_ran.store(true);
        return ended.load();
    });
    CHECK(sync_wait(rt, other) < children);
    sync_wait(rt, family);
    CHECK(ended.load() == children);
}

TEST_CASE("forks that lie below a tree that always forks have their turn") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    constexpr int wanted = 50;
    int ran = 0; // on one worker
    auto below = [&](int depth) -> task<> {
        co_await fork(depth);
        ++ran;
    };
    auto above = [&]() -> task<> {
        std::vector<aloft::join_handle<>> handles;
        for (int i = 0; i < wanted; ++i) {
            handles.push_back(spawn(below(i % 2 * 3))); // some are trees themselves
        }
        while (ran < wanted) {
            co_await fork(10);
        }
        for (auto& each : handles) {
            co_await each;
        }
    };
    sync_wait(rt, above());
    CHECK(ran == wanted);
}

// SPDX-License-Identifier: MIT
// Any free thread, and there is always one: what a worker holds goes on while it is inside one long
// task. A hog here computes until the test lets it go, so nothing depends on how long things take:
// what would wait for the hog would wait for ever, and the guard against hangs would end the test.
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include <support/descriptors.hpp>
#include <support/doorbell.hpp>
#include <support/hang_guard.hpp>
#include <support/sockets.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::join_handle;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sleep_for;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;

namespace {

/// Occupies workers until it is let go.
class hogs {
public:
    task<void> compute() {
        running_.fetch_add(1);
        while (!over_.load(std::memory_order_relaxed)) {
        }
        co_return;
    }
    [[nodiscard]] int running() const { return running_.load(); }
    void let_go() { over_.store(true); }

private:
    std::atomic<int> running_{0};
    std::atomic<bool> over_{false};
};

task<void> tick(std::atomic<int>& ticks, const std::atomic<bool>& over) {
    while (!over.load()) {
        co_await sleep_for(1ms);
        ++ticks;
    }
}

task<void> count_after(std::atomic<int>& count) {
    ++count;
    co_return;
}

task<void> wait_for_ring(const doorbell& bell, std::atomic<int>& seen) {
    (void)co_await bell.wait();
    ++seen;
}

task<void> echo(const aloft::tcp_stream& stream) {
    std::array<char, 16> buffer{};
    while (const std::size_t got = co_await stream.read_some(std::span(buffer))) {
        (void)co_await stream.write_all(std::string_view(buffer.data(), got));
    }
}

runtime_options options(std::size_t threads) {
    return runtime_options{}.threads(threads);
}

} // namespace

TEST_CASE("timers go on beside a hog on every worker, with spare workers") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    hogs hog;
    runtime rt(options(threads));
    std::atomic<int> ticks{0};
    std::atomic<bool> over{false};
    std::vector<join_handle<void>> tasks;
    for (int i = 0; i < 10; ++i) {
        tasks.push_back(spawn(rt, tick(ticks, over)));
    }
    for (std::size_t i = 0; i < threads; ++i) {
        tasks.push_back(spawn(rt, hog.compute()));
    }
    wait_until([&] { return hog.running() == static_cast<int>(threads); });
    const int before = ticks.load();
    wait_until([&] { return ticks.load() > before + 200; });
    hog.let_go();
    over.store(true);
    for (auto& each : tasks) {
        sync_wait(rt, each);
    }
}

TEST_CASE("connections are served beside hogs, on one worker and on every worker") {
    const no_leaked_descriptors descriptors;
    const std::size_t busy = GENERATE(1u, 2u);
    hogs hog;
    runtime rt(options(2));
    std::vector<stream_pair> pairs;
    std::vector<join_handle<void>> tasks;
    for (int i = 0; i < 100; ++i) {
        pairs.push_back(unix_pair());
    }
    for (const stream_pair& each : pairs) {
        tasks.push_back(spawn(rt, echo(each.near)));
    }
    const auto one_round = [&] {
        char byte = 'e';
        for (const stream_pair& each : pairs) {
            REQUIRE(plain_send(each.far.native_handle(), &byte, 1));
        }
        for (const stream_pair& each : pairs) {
            // waits for ever if need be
            REQUIRE(plain_receive(each.far.native_handle(), &byte, 1));
        }
    };
    one_round();
    for (std::size_t i = 0; i < busy; ++i) {
        tasks.push_back(spawn(rt, hog.compute()));
    }
    wait_until([&] { return hog.running() == static_cast<int>(busy); });
    for (int round = 0; round < 20; ++round) {
        one_round();
    }
    hog.let_go();
    for (stream_pair& each : pairs) {
        each.far.close();
    }
    for (auto& each : tasks) {
        sync_wait(rt, each);
    }
}

TEST_CASE("what the hog's worker was about to wait for arrives while it computes") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    hogs hog;
    doorbell bell;
    std::atomic<int> seen{0};
    runtime rt(options(threads));
    // On one worker: an operation that the kernel has not seen yet, a timer, ready tasks; then the
    // hog.
    sync_wait(rt, [](doorbell& ready, std::atomic<int>& count, hogs& h) -> task<void> {
        spawn(h.compute()).detach(); // forks run last in, first out: this one last
        spawn(count_after(count)).detach();
        spawn([](std::atomic<int>& c) -> task<void> {
            co_await sleep_for(1ms);
            ++c;
        }(count))
            .detach();
        spawn(wait_for_ring(ready, count)).detach();
        co_return;
    }(bell, seen, hog));
    wait_until([&] { return hog.running() == 1; });
    bell.ring();
    wait_until([&] { return seen.load() == 3; });
    hog.let_go();
}

TEST_CASE("a full ready queue behind a hog is taken by others") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    hogs hog;
    std::atomic<int> count{0};
    runtime rt(options(threads));
    sync_wait(rt, [](std::atomic<int>& c, hogs& h) -> task<void> {
        for (int i = 0; i < 5000; ++i) {
            spawn([](std::atomic<int>& n) -> task<void> {
                co_await aloft::yield();
                ++n;
            }(c))
                .detach();
        }
        spawn(h.compute()).detach(); // the newest fork goes first
        co_return;
    }(count, hog));
    wait_until([&] { return hog.running() == 1; });
    wait_until([&] { return count.load() == 5000; });
    hog.let_go();
}

TEST_CASE("a hog that spawns is served by others while it goes on") {
    runtime rt(options(GENERATE(1u, 2u)));
    std::atomic<int> count{0};
    sync_wait(rt, [](std::atomic<int>& c) -> task<void> {
        for (int i = 0; i < 100; ++i) {
            spawn(count_after(c)).detach();
        }
        wait_until([&] { return c.load() == 100; }); // without suspending
        co_return;
    }(count));
}

TEST_CASE("hogs come and go, and spare workers with them") {
    const no_leaked_descriptors descriptors;
    runtime rt(options(2));
    std::atomic<int> ticks{0};
    std::atomic<bool> over{false};
    auto ticker = spawn(rt, tick(ticks, over));
    for (int round = 0; round < 20; ++round) {
        hogs hog;
        auto first = spawn(rt, hog.compute());
        auto second = spawn(rt, hog.compute());
        wait_until([&] { return hog.running() == 2; });
        const int before = ticks.load();
        wait_until([&] { return ticks.load() > before + 2; });
        hog.let_go();
        sync_wait(rt, first);
        sync_wait(rt, second);
        const int after = ticks.load();
        wait_until([&] { return ticks.load() > after + 2; });
    }
    over.store(true);
    sync_wait(rt, ticker);
}

TEST_CASE("more hogs than workers are shared out among the spare workers") {
    hogs hog;
    runtime rt(options(2).spare_workers(3));
    std::vector<join_handle<void>> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(spawn(rt, hog.compute()));
    }
    wait_until([&] { return hog.running() == 5; });
    CHECK(rt.threads() == 2);
    hog.let_go();
    for (auto& each : all) {
        sync_wait(rt, each);
    }
}

TEST_CASE("a runtime is destroyed while its workers are hogs and spare workers run") {
    const no_leaked_descriptors descriptors;
    hogs hog;
    std::atomic<int> ticks{0};
    {
        std::atomic<bool> over{false};
        runtime rt(options(1));
        spawn(rt,
              [](std::atomic<int>& t, std::atomic<bool>& o, hogs& h) -> task<void> {
                  try {
                      co_await tick(t, o);
                  } catch (const std::system_error&) {
                      h.let_go(); // the runtime stops: that is seen beside the hog
                  }
              }(ticks, over, hog))
            .detach();
        spawn(rt, hog.compute()).detach();
        wait_until([&] { return hog.running() == 1; });
        const int before = ticks.load();
        wait_until([&] { return ticks.load() > before + 5; });
    }
    SUCCEED("it ended");
}

TEST_CASE("without spare workers one hog still does not keep the others waiting") {
    hogs hog;
    runtime rt(options(2).spare_workers(0));
    std::atomic<int> ticks{0};
    std::atomic<bool> over{false};
    auto ticker = spawn(rt, tick(ticks, over));
    auto computing = spawn(rt, hog.compute());
    wait_until([&] { return hog.running() == 1; });
    const int before = ticks.load();
    wait_until([&] { return ticks.load() > before + 50; });
    hog.let_go();
    over.store(true);
    sync_wait(rt, computing);
    sync_wait(rt, ticker);
}

TEST_CASE("options about hogs that make no sense are refused by name") {
    CHECK_THROWS_AS(runtime(options(1).spare_workers(65)), std::system_error);
}

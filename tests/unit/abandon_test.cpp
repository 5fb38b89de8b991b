// SPDX-License-Identifier: MIT
// Frames that are destroyed while their operations are in flight, on any thread, under load.
#include <aloft/detail/surface/io_awaitable.hpp>

#include "helpers/scale.hpp"

#include <support/child_process.hpp>
#include <support/descriptors.hpp>
#include <support/doorbell.hpp>
#include <support/endings.hpp>
#include <support/sockets.hpp>

#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using testing::fewer_calls;

namespace {

/// Reads into a buffer in its own frame, which goes with it.
orphan read_into_frame(const aloft::tcp_stream& stream, std::atomic<bool>& ended) {
    std::array<std::byte, 200> buffer{};
    try {
        (void)co_await stream.read_some(std::span(buffer));
    } catch (const std::system_error&) {
        ended = true;
        co_return;
    }
    ended = true;
}

task<orphan> begin_reading(const aloft::tcp_stream& stream, std::atomic<bool>& ended) {
    co_return read_into_frame(stream, ended);
}

/// Meets the other task in the middle, each on a worker of its own, and destroys the other's frame.
task<void> swap_and_destroy(const aloft::tcp_stream& stream, std::atomic<int>& met,
                            std::optional<orphan>& mine, std::optional<orphan>& others, int round,
                            std::atomic<bool>& ended) {
    mine.emplace(read_into_frame(stream, ended));
    met.fetch_add(1);
    while (met.load() < 2 * round) {
        std::this_thread::yield(); // holds its worker
    }
    others->destroy();
    co_return;
}

} // namespace

TEST_CASE("a buffer in a destroyed frame is not written any more") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const stream_pair pair = unix_pair();
    std::atomic<bool> ended{false};
    constexpr std::size_t count = 64;
    for (int round = 0; round < 20 / fewer_calls; ++round) {
        for (std::size_t i = 0; i < count; ++i) {
            orphan frame = sync_wait(rt, begin_reading(pair.near, ended));
            frame.destroy();
        }
        // The memory of the frames, or some of it, is in use again.
        std::vector<std::vector<char>> memory;
        for (std::size_t bytes = 200; bytes < 1000; bytes += 16) {
            memory.emplace_back(bytes, '.');
        }
        const std::string data(4000, 'd');
        REQUIRE(plain_send(pair.far.native_handle(), data.data(), data.size()));
        sync_wait(rt, aloft::sleep_for(100us));
        for (const std::vector<char>& each : memory) {
            REQUIRE(std::string(each.begin(), each.end()).find_first_not_of('.') ==
                    std::string::npos);
        }
        std::vector<char> got(4000);
        REQUIRE(sync_wait(rt, pair.near.read_exact(std::span(got))) == 4000);
    }
    CHECK_FALSE(ended);
}

TEST_CASE("many frames are destroyed at once, on their worker or on another thread") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    const bool on_worker = GENERATE(false, true);
    runtime rt(workers(threads));
    const stream_pair pair = unix_pair();
    std::atomic<bool> ended{false};
    auto begin_many = [&](std::vector<orphan>& frames) -> task<void> {
        for (int i = 0; i < 250; ++i) {
            frames.push_back(read_into_frame(pair.near, ended));
            frames.push_back(run_in_orphan([] { return aloft::sleep_for(1h); }, ended));
            frames.push_back(run_in_orphan([&pair] { return until_readable(pair.near); }, ended));
            frames.push_back(
                run_in_orphan([&pair] { return until_readable(pair.near, 1h); }, ended));
        }
        co_return;
    };
    auto destroy_all = [](std::vector<orphan>& frames) -> task<void> {
        for (orphan& each : frames) {
            each.destroy();
        }
        co_return;
    };
    for (int round = 0; round < (fewer_calls > 1 ? 1 : 3); ++round) {
        std::vector<orphan> frames;
        sync_wait(rt, begin_many(frames));
        REQUIRE(frames.size() == 1000);
        if (on_worker) {
            sync_wait(rt, destroy_all(frames));
        } else {
            for (orphan& each : frames) {
                each.destroy();
            }
        }
    }
    CHECK_FALSE(ended);
    sync_wait(rt, aloft::sleep_for(1ms));
}

TEST_CASE("two workers destroy each other's frames at the same time") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    const stream_pair pair = unix_pair();
    std::atomic<bool> ended{false};
    std::atomic<int> met{0};
    for (int round = 1; round <= 200 / fewer_calls; ++round) {
        std::optional<orphan> first;
        std::optional<orphan> second;
        auto one = spawn(rt, swap_and_destroy(pair.near, met, first, second, round, ended));
        auto two = spawn(rt, swap_and_destroy(pair.near, met, second, first, round, ended));
        sync_wait(rt, one);
        sync_wait(rt, two);
    }
    CHECK_FALSE(ended);
}

TEST_CASE("frames are destroyed while the same workers carry other operations") {
    const no_leaked_descriptors descriptors;
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    runtime rt(workers(2).ring_entries(4));
    const stream_pair silent = unix_pair();
    const stream_pair busy = unix_pair();
    std::atomic<bool> stop{false};
    std::atomic<bool> ended{false};
    std::atomic<std::size_t> sent{0};
    std::atomic<std::size_t> received{0};
    auto send = [&]() -> task<void> {
        const std::string text(100, 't');
        while (!stop) {
            sent += co_await busy.near.write_all(text);
        }
        plain_end_of_sending(busy.near.native_handle());
    };
    auto receive = [&]() -> task<void> {
        std::array<char, 64> buffer{};
        for (;;) {
            const std::size_t got = co_await busy.far.read_some(std::span(buffer));
            if (got == 0) {
                co_return;
            }
            received += got;
        }
    };
    auto sender = spawn(rt, send);
    auto receiver = spawn(rt, receive);
    std::mt19937 random(seed);
    for (int round = 0; round < 500 / fewer_calls; ++round) {
        orphan frame = sync_wait(rt, begin_reading(silent.near, ended));
        for (unsigned spins = static_cast<unsigned>(random() % 5000); spins > 0; --spins) {
            aloft::detail::spin_pause();
        }
        frame.destroy();
    }
    stop = true;
    sync_wait(rt, sender);
    sync_wait(rt, receiver);
    CHECK_FALSE(ended);
    CHECK(sent == received);
}

TEST_CASE("a frame on a busy worker's ring is destroyed when that worker is free again") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const stream_pair pair = unix_pair();
    std::atomic<bool> ended{false};
    std::atomic<bool> computing{false};
    std::atomic<bool> enough{false};
    orphan frame = sync_wait(rt, begin_reading(pair.near, ended));
    auto computation = spawn(rt, [&] {
        computing = true;
        wait_until([&] { return enough.load(); });
    });
    wait_until([&] { return computing.load(); });
    std::thread destroyer([&] { frame.destroy(); });
    std::this_thread::sleep_for(2ms);
    enough = true;
    destroyer.join();
    sync_wait(rt, computation);
    CHECK_FALSE(ended);
}

TEST_CASE(
    "destroying a frame while a call that it offloaded runs ends the program with a sentence") {
    const child_answer answer = run_in_child([]() -> std::string {
        std::atomic<bool> ended{false};
        std::atomic<bool> running{false};
        runtime rt(workers(1));
        orphan frame = sync_wait(rt, begin(
                                         [&] {
                                             return aloft::offload([&running] {
                                                 running = true;
                                                 std::this_thread::sleep_for(1h);
                                             });
                                         },
                                         ended));
        wait_until([&] { return running.load(); });
        frame.destroy();
        return "survived";
    });
    CHECK(answer.aborted());
    CHECK(answer.errors.find("offloaded") != std::string::npos);
}

TEST_CASE("a runtime that a task on it destroys ends the program with a sentence") {
    const child_answer answer = run_in_child([]() -> std::string {
        auto rt = std::make_unique<runtime>(workers(1));
        runtime& used = *rt;
        sync_wait(used, [&]() -> task<void> {
            rt.reset();
            co_return;
        }());
        return "survived";
    });
    CHECK(answer.aborted());
    CHECK(answer.errors.find("its own workers") != std::string::npos);
}

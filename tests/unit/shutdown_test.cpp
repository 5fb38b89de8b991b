// SPDX-License-Identifier: MIT
// Destroying a runtime with anything in flight ends every task once and leaves nothing behind.
#include <aloft/runtime.hpp>

#include "helpers/scale.hpp"

#include <support/descriptors.hpp>
#include <support/doorbell.hpp>
#include <support/endings.hpp>
#include <support/sockets.hpp>
#include <support/temporary_directory.hpp>

#include <aloft/as_result.hpp>
#include <aloft/detail/runtime/blocking_pool.hpp>
#include <aloft/file.hpp>
#include <aloft/offload.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/yield.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::as_result;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using testing::fewer_calls;

namespace {

/// How the tasks of a test ended. Every one that began must be counted once.
struct tally {
    std::atomic<int> begun{0};
    std::atomic<int> canceled{0};
    std::atomic<int> succeeded{0};
    std::atomic<int> failed{0};

    void count(const std::error_code& code) {
        (!code                                   ? succeeded
         : code == std::errc::operation_canceled ? canceled
                                                 : failed)
            .fetch_add(1);
    }
    [[nodiscard]] int ended() const { return canceled + succeeded + failed; }
};

template <class Make>
task<void> tallied(Make make, tally& counts) {
    counts.begun.fetch_add(1);
    const auto result = co_await as_result(make());
    counts.count(result ? std::error_code() : result.error());
}

task<void> receive(const aloft::tcp_stream& stream, tally& counts) {
    std::array<std::byte, 100> buffer{};
    co_await tallied([&] { return stream.read_some(std::span(buffer)); }, counts);
}

struct shared_things {
    temporary_directory directory;
    std::filesystem::path path = directory / "file";
    std::vector<stream_pair> pairs;
    aloft::tcp_listener listener = aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
    shared_things() {
        std::ofstream(path) << "something to read";
        for (int i = 0; i < 50; ++i) {
            pairs.push_back(unix_pair());
        }
    }
    [[nodiscard]] const aloft::tcp_stream& stream(std::size_t i) const {
        return pairs[i % pairs.size()].near;
    }
};

/// One operation of a kind that a number chooses; throws when it is cancelled.
task<void> some_operation(const shared_things& things, unsigned choice) {
    std::array<std::byte, 16> buffer{};
    const aloft::tcp_stream& stream = things.stream(choice);
    switch (choice % 8) {
    case 0:
        co_await aloft::sleep_for(std::chrono::microseconds(choice % 300));
        break;
    case 1:
        try {
            (void)co_await until_readable(stream, 100us);
        } catch (const std::system_error& error) {
            if (error.code() != std::errc::timed_out) {
                throw;
            }
        }
        break;
    case 2:
        (void)co_await stream.read_some(std::span(buffer)); // never ends by itself
        break;
    case 3:
        (void)co_await stream.write_some(""); // at once
        break;
    case 4: {
        auto call = aloft::offload([] { std::this_thread::yield(); });
        co_await call;
        break;
    }
    case 5:
        (void)co_await aloft::read_file(things.path);
        break;
    case 6:
        (void)co_await aloft::tcp_stream::connect(things.listener.local_endpoint());
        break;
    default:
        co_await aloft::sleep_for(1us);
        break;
    }
}

/// Goes on until it is cancelled; then others take its place, a few times.
task<void> never_idle(const shared_things& things, unsigned seed, int generations, tally& counts) {
    counts.begun.fetch_add(1);
    std::error_code code;
    try {
        for (;;) {
            seed = seed * 1664525 + 1013904223;
            co_await some_operation(things, seed >> 8);
        }
    } catch (const std::system_error& error) {
        code = error.code();
    }
    if (generations > 0) {
        spawn(never_idle(things, seed + 1, generations - 1, counts)).detach();
        spawn(never_idle(things, seed + 2, generations - 1, counts)).detach();
    }
    counts.count(code);
}

void spin(unsigned rounds) {
    while (rounds-- > 0) {
        aloft::detail::spin_pause();
    }
}

} // namespace

TEST_CASE("a runtime that was never used ends") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u, 8u);
    for (int round = 0; round < 50 / fewer_calls; ++round) {
        const runtime rt(workers(threads));
    }
}

TEST_CASE("a runtime ends with many operations in flight, and each ends once") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u, 8u);
    const shared_things things;
    tally waiting;
    tally offloaded;
    std::atomic<bool> go_on{false};
    {
        runtime rt(workers(threads).blocking_threads(4));
        for (std::size_t i = 0; i < 1000u / fewer_calls; ++i) {
            const aloft::tcp_stream& stream = things.stream(i);
            spawn(rt, receive(things.stream(i), waiting)).detach();
            spawn(rt, tallied([] { return aloft::sleep_for(1h); }, waiting)).detach();
            spawn(rt, tallied([&stream] { return until_readable(stream); }, waiting)).detach();
            spawn(rt, tallied([&stream] { return until_readable(stream, 1h); }, waiting)).detach();
            spawn(rt, tallied([&] { return things.listener.accept(); }, waiting)).detach();
            if (i % 10 == 0) {
                spawn(rt, tallied(
                              [&] {
                                  return aloft::offload(
                                      [&go_on] { wait_until([&] { return go_on.load(); }); });
                              },
                              offloaded))
                    .detach();
            }
        }
        wait_until([&] {
            return waiting.begun == 5000 / fewer_calls && offloaded.begun == 100 / fewer_calls;
        });
        // The calls that run are let go by a task that the stop cancels.
        spawn(rt, [&]() -> task<void> {
            (void)co_await as_result(aloft::sleep_for(1h));
            go_on = true;
        }).detach();
        sync_wait(rt, aloft::yield());
    }
    CHECK(waiting.canceled == 5000 / fewer_calls);
    CHECK(waiting.ended() == 5000 / fewer_calls);
    CHECK(offloaded.ended() == 100 / fewer_calls);
    CHECK(offloaded.failed == 0);
}

TEST_CASE(
    "calls that wait for a blocking thread are cancelled, and those that run are waited for") {
    const no_leaked_descriptors descriptors;
    tally running;
    tally queued;
    std::atomic<int> began{0};
    std::atomic<bool> go_on{false};
    {
        runtime rt(workers(2).blocking_threads(2));
        const auto block = [&] {
            began.fetch_add(1);
            wait_until([&] { return go_on.load(); });
        };
        for (int i = 0; i < 2; ++i) {
            spawn(rt, tallied([&] { return aloft::offload(block); }, running)).detach();
        }
        wait_until([&] { return began == 2; });
        for (int i = 0; i < 100; ++i) {
            spawn(rt, tallied([&] { return aloft::offload(block); }, queued)).detach();
        }
        // The threads are free again when all that was queued has ended, and not before.
        spawn(rt, [&]() -> task<void> {
            while (queued.ended() < 100) {
                co_await aloft::yield();
            }
            go_on = true;
        }).detach();
        wait_until([&] { return queued.begun == 100; });
    }
    CHECK(began == 2);
    CHECK(running.succeeded == 2);
    CHECK(queued.canceled == 100);
}

TEST_CASE("a runtime ends while its tasks go on submitting and spawning") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u, 8u);
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    for (unsigned round = 0; round < (fewer_calls > 1 ? 1u : 5u); ++round) {
        const shared_things things;
        tally counts;
        {
            runtime rt(workers(threads));
            for (unsigned i = 0; i < 100; ++i) {
                spawn(rt, never_idle(things, seed + 100 * round + i, 3, counts)).detach();
            }
            wait_until([&] { return counts.begun >= 100; });
            spin(seed % 5000 * round);
        }
        CHECK(counts.begun == 100 * 15); // 1 + 2 + 4 + 8 of each
        CHECK(counts.ended() == counts.begun);
        CHECK(counts.canceled == counts.begun);
    }
}

TEST_CASE("many runtimes are destroyed while operations race against the end") {
    const no_leaked_descriptors descriptors;
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const shared_things things;
    constexpr std::array<std::size_t, 3> sizes{1, 2, 8};
    for (unsigned round = 0; round < 200u / fewer_calls; ++round) {
        tally counts;
        int spawned = 0;
        {
            runtime rt(workers(sizes[round % 3]).ring_entries(round % 5 == 0 ? 2 : 256));
            spawned = static_cast<int>(random() % 40);
            for (int i = 0; i < spawned; ++i) {
                const auto choice = static_cast<unsigned>(random());
                spawn(rt,
                      tallied([&things, choice] { return some_operation(things, choice); }, counts))
                    .detach();
            }
            spin(static_cast<unsigned>(random() % 20'000));
        }
        REQUIRE(counts.begun == spawned);
        REQUIRE(counts.ended() == spawned);
        REQUIRE(counts.failed == 0);
    }
}

TEST_CASE("a cancelled task cleans up: what it begins is refused, and it may try often") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const std::size_t threads = GENERATE(1u, 2u);
    const std::filesystem::path path = directory / "log";
    std::atomic<int> begun{0};
    std::atomic<int> cleaned{0};
    std::atomic<int> refused{0};
    {
        runtime rt(workers(threads));
        for (int i = 0; i < 20; ++i) {
            spawn(rt, [&]() -> task<void> {
                begun.fetch_add(1);
                (void)co_await as_result(aloft::sleep_for(1h));
                for (int attempt = 0; attempt < 100; ++attempt) {
                    const auto slept = co_await as_result(aloft::sleep_for(1h));
                    refused += !slept && slept.error() == std::errc::operation_canceled ? 1 : 0;
                    auto call = aloft::offload([] {});
                    const auto called = co_await as_result(call);
                    refused += !called && called.error() == std::errc::operation_canceled ? 1 : 0;
                    co_await aloft::yield(); // is no operation and goes on
                }
                cleaned.fetch_add(1);
            }).detach();
        }
        wait_until([&] { return begun == 20; });
    }
    CHECK(cleaned == 20);
    CHECK(refused == 20 * 200);

    const ending writing = ended_by_refusal([&] { return aloft::write_file(path, "late"); });
    CHECK(writing.canceled());
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("tasks that wait for each other, and those that wait for an operation, are stopped") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    {
        aloft::semaphore gate(0);
        runtime rt(workers(threads));
        for (int i = 0; i < 100; ++i) {
            spawn(rt, [&]() -> task<void> {
                begun.fetch_add(1);
                if (!co_await as_result(gate.acquire())) {
                    ended.fetch_add(1);
                }
            }).detach();
        }
        spawn(rt, [&]() -> task<void> { (void)co_await as_result(aloft::sleep_for(1h)); }).detach();
        wait_until([&] { return begun == 100; });
    }
    CHECK(ended == 100);
}

TEST_CASE("a task that ends as cancelled with its runtime is no unhandled exception") {
    std::atomic<int> reported{0};
    std::atomic<int> begun{0};
    aloft::semaphore gate(0);
    {
        runtime rt(workers(2).on_unhandled(
            [&](std::exception_ptr, std::string_view) { reported.fetch_add(1); }));
        spawn(rt, [&]() -> task<void> {
            begun.fetch_add(1);
            co_await gate.acquire();
        }).detach();
        spawn(rt, [&]() -> task<void> {
            begun.fetch_add(1);
            co_await aloft::sleep_for(1h);
        }).detach();
        spawn(rt, [&]() -> task<void> {
            begun.fetch_add(1);
            if (!co_await as_result(aloft::sleep_for(1h))) {
                throw std::runtime_error("another failure");
            }
        }).detach();
        wait_until([&] { return begun == 3; });
    }
    CHECK(reported == 1);
}

TEST_CASE("handles outlive the runtime and still hold the results") {
    const no_leaked_descriptors descriptors;
    std::vector<aloft::join_handle<int>> handles;
    {
        runtime rt(workers(2));
        for (int i = 0; i < 100; ++i) {
            handles.push_back(spawn(rt, [i]() -> task<int> {
                (void)co_await as_result(aloft::sleep_for(1h));
                co_return i;
            }));
        }
    }
    for (const auto& each : handles) {
        CHECK(each.done());
    }
}

TEST_CASE("frames that the library does not know are resumed with the cancellation, too") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    const shared_things things;
    std::vector<std::atomic<bool>> ended(300);
    {
        runtime rt(workers(threads));
        auto begin_all = [&]() -> task<void> {
            for (std::size_t i = 0; i < ended.size(); i += 3) {
                const aloft::tcp_stream& stream = things.stream(i);
                (void)run_in_orphan([] { return aloft::sleep_for(1h); }, ended[i]);
                (void)run_in_orphan([&stream] { return until_readable(stream); }, ended[i + 1]);
                (void)run_in_orphan([&stream] { return until_readable(stream, 1h); }, ended[i + 2]);
            }
            co_return;
        };
        sync_wait(rt, begin_all());
    }
    for (const auto& each : ended) {
        REQUIRE(each.load());
    }
}

TEST_CASE("frames that the library does not know, and that only sleep, are resumed, too") {
    const std::size_t threads = GENERATE(1u, 2u);
    for (int round = 0; round < 20; ++round) {
        std::vector<std::atomic<bool>> ended(10);
        {
            runtime rt(workers(threads));
            auto begin_all = [&]() -> task<void> {
                for (std::atomic<bool>& each : ended) {
                    (void)run_in_orphan([] { return aloft::sleep_for(1h); }, each);
                }
                co_return;
            };
            sync_wait(rt, begin_all());
            // Best effort: what has to be seen is a worker that the end of the runtime wakes.
            std::this_thread::sleep_for(std::chrono::milliseconds(round % 4));
        }
        for (const auto& each : ended) {
            REQUIRE(each.load());
        }
    }
}

TEST_CASE(
    "frames that a spare worker began, and that the library does not know, are resumed, too") {
    const no_leaked_descriptors descriptors;
    const shared_things things;
    for (int round = 0; round < 50 / fewer_calls; ++round) {
        std::vector<std::atomic<bool>> ended(90);
        std::atomic<bool> begun{false};
        {
            runtime rt(workers(1).spare_workers(1));
            auto begin_all = [&]() -> task<void> {
                for (std::size_t i = 0; i < ended.size(); i += 3) {
                    const aloft::tcp_stream& stream = things.stream(i);
                    (void)run_in_orphan([] { return aloft::sleep_for(1h); }, ended[i]);
                    (void)run_in_orphan([&stream] { return until_readable(stream); }, ended[i + 1]);
                    (void)run_in_orphan([&stream] { return until_readable(stream, 1h); },
                                        ended[i + 2]);
                }
                begun = true;
                co_return;
            };
            auto hold_the_worker = [&]() -> task<void> {
                wait_until([&] { return begun.load(); });
                co_return;
            };
            auto both = aloft::when_all(begin_all(), hold_the_worker());
            sync_wait(rt, std::move(both));
        }
        for (const auto& each : ended) {
            REQUIRE(each.load());
        }
    }
}

namespace {

/// Awaits it in a frame that the library does not know.
template <class Make>
orphan tallied_by_stranger(Make make, tally& counts) {
    counts.begun.fetch_add(1);
    std::error_code code;
    try {
        co_await make();
    } catch (const std::system_error& error) {
        code = error.code();
    }
    counts.count(code);
}

} // namespace

TEST_CASE(
    "frames that the library does not know are resumed when what they offloaded has returned, "
    "and those whose call has not begun with the cancellation") {
    const no_leaked_descriptors descriptors;
    for (int round = 0; round < 30 / fewer_calls; ++round) {
        tally running;
        tally queued;
        std::atomic<int> began{0};
        {
            runtime rt(workers(static_cast<std::size_t>(round % 3 + 1)).blocking_threads(2));
            const auto block = [&] {
                began.fetch_add(1);
                wait_until([&] { return queued.ended() == 20; }); // the end is under way
                spin(static_cast<unsigned>(round) * 1000);
            };
            auto begin_all = [&]() -> task<void> {
                for (int i = 0; i < 22; ++i) {
                    (void)tallied_by_stranger([&] { return aloft::offload(block); },
                                              i < 2 ? running : queued);
                }
                co_return;
            };
            sync_wait(rt, begin_all());
            wait_until([&] { return began == 2; });
        }
        REQUIRE(running.succeeded == 2);
        REQUIRE(queued.canceled == 20);
        REQUIRE(began == 2);
    }
}

TEST_CASE("frames that the library does not know are resumed, whoever stops their sleeps while the "
          "runtime "
          "ends") {
    const no_leaked_descriptors descriptors;
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 400 / fewer_calls; ++round) {
        tally counts;
        aloft::stop_source source;
        const aloft::stop_token token = source.get_token();
        std::atomic<bool> ending{false};
        const unsigned before = static_cast<unsigned>(random() % 20'000);
        std::thread stopper([&] {
            wait_closely([&] { return ending.load(); });
            spin(before);
            source.request_stop();
        });
        {
            runtime rt(workers(static_cast<std::size_t>(round % 2 + 1)));
            auto begin_all = [&]() -> task<void> {
                for (int i = 0; i < 200; ++i) {
                    (void)tallied_by_stranger(
                        [&] { return aloft::with_stop(token, aloft::sleep_for(1h)); }, counts);
                }
                co_return;
            };
            sync_wait(rt, begin_all());
            ending = true;
        }
        stopper.join();
        REQUIRE(counts.canceled == 200);
    }
}

TEST_CASE("whoever stops the pool of blocking threads finds answered what was refused before") {
    using aloft::detail::blocking_call;
    using aloft::detail::blocking_pool;
    struct refused_call : blocking_call {
        explicit refused_call(blocking_pool& where) : pool(&where) {
            run = [](blocking_call& self, outcome_kind) noexcept {
                static_cast<refused_call&>(self).answer();
            };
        }
        void answer() {
            stopper = std::thread([this] {
                begun = true;
                pool->cancel_queued();
                stopped = true;
            });
            wait_until([this] { return begun.load(); });
            spin(100'000);
            stopped_first = stopped.load();
            ++answers;
        }
        blocking_pool* pool;
        std::thread stopper;
        std::atomic<bool> begun{false};
        std::atomic<bool> stopped{false};
        bool stopped_first = false;
        int answers = 0;
    };
    const bool is_queued = GENERATE(false, true);
    std::atomic<bool> go_on{false};
    struct blocked_call : blocking_call {
        explicit blocked_call(std::atomic<bool>& until) : go_on(&until) {
            run = [](blocking_call& call, outcome_kind) noexcept {
                auto& self = static_cast<blocked_call&>(call);
                self.begun = true;
                wait_until([&] { return self.go_on->load(); });
            };
        }
        std::atomic<bool>* go_on;
        std::atomic<bool> begun{false};
    } blocked(go_on);
    blocking_pool pool(1);
    refused_call refused(pool);
    if (is_queued) {
        pool.run(blocked);
        wait_until([&] { return blocked.begun.load(); });
        pool.run(refused);
        pool.withdraw(refused);
    } else {
        pool.withdraw(refused);
        pool.run(refused);
    }
    refused.stopper.join();
    go_on = true;
    CHECK(refused.answers == 1);
    CHECK_FALSE(refused.stopped_first);
}

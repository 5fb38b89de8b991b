// SPDX-License-Identifier: MIT
// task_group: however the scope is left, everything that was started in it has ended.
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/task_group.hpp>
#include <aloft/timer.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include "helpers/scale.hpp"

#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

using namespace std::chrono_literals;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sleep_for;
using aloft::sync_wait;
using aloft::task;
using aloft::task_group;
using aloft::with_task_group;
using aloft::yield;

namespace {

task<void> never(std::atomic<int>& ended) {
    try {
        co_await sleep_for(1h);
    } catch (...) {
        ended.fetch_add(1);
        throw;
    }
}

} // namespace

TEST_CASE("a group waits for its tasks, and gives what its body gives") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> ended{0};
    const auto body = [&](task_group& group) -> task<std::string> {
        for (int i = 0; i < 100; ++i) {
            group.spawn([](std::atomic<int>& count) -> task<void> {
                co_await sleep_for(1ms);
                count.fetch_add(1);
            }(ended));
        }
        group.spawn([&ended] { ended.fetch_add(1); }); // a plain function
        group.spawn([&ended]() -> task<int> {
            ended.fetch_add(1);
            co_return 1;
        });
        group.spawn(sleep_for(1ms)); // any awaitable
        co_return "body";
    };
    CHECK(sync_wait(rt, with_task_group(body)) == "body");
    CHECK(ended.load() == 102);
}

TEST_CASE("tasks of a group start further ones") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> ended{0};
    struct tree {
        static task<void> grow(task_group& group, int depth, std::atomic<int>& count) {
            count.fetch_add(1);
            if (depth > 0) {
                group.spawn(grow(group, depth - 1, count));
                group.spawn(grow(group, depth - 1, count));
            }
            co_return;
        }
    };
    sync_wait(rt, with_task_group([&](task_group& group) -> task<void> {
                  group.spawn(tree::grow(group, 12, ended));
                  co_return;
              }));
    CHECK(ended.load() == (1 << 13) - 1);
}

TEST_CASE("the first failure stops the others and the body, and is rethrown when all have ended") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> ended{0};
    const auto run = [&](bool body_waits) {
        return with_task_group([&ended, body_waits](task_group& group) -> task<void> {
            group.spawn(never(ended));
            group.spawn(never(ended));
            group.spawn([]() -> task<void> {
                co_await yield();
                throw std::runtime_error("task");
            });
            if (body_waits) {
                co_await never(ended);
            }
        });
    };
    CHECK_THROWS_AS(sync_wait(rt, run(false)), std::runtime_error);
    CHECK(ended.exchange(0) == 2);
    CHECK_THROWS_AS(sync_wait(rt, run(true)), std::runtime_error);
    CHECK(ended.load() == 3);
}

TEST_CASE("a body that throws stops its tasks, and they are joined") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> ended{0};
    CHECK_THROWS_AS(sync_wait(rt, with_task_group([&](task_group& group) -> task<int> {
                                  group.spawn(never(ended));
                                  group.spawn(never(ended));
                                  throw std::out_of_range("body");
                                  co_return 0;
                              })),
                    std::out_of_range);
    CHECK(ended.load() == 2);
}

TEST_CASE("a group can be stopped from inside, from around, and by a time limit") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> ended{0};
    const auto sleeping = [&](task_group& group) -> task<void> {
        group.spawn(never(ended));
        co_await never(ended);
    };
    const auto is_canceled = [](const std::system_error& error) {
        return error.code() == std::errc::operation_canceled;
    };
    try {
        sync_wait(rt, with_task_group([&](task_group& group) -> task<void> {
                      group.spawn(never(ended));
                      CHECK_FALSE(group.get_token().stop_requested());
                      group.request_stop();
                      CHECK(group.get_token().stop_requested());
                      group.spawn(never(ended)); // stopped before it begins
                      co_return;
                  }));
        FAIL("not stopped");
    } catch (const std::system_error& error) {
        CHECK(is_canceled(error));
    }
    CHECK(ended.exchange(0) == 2);
    {
        aloft::stop_source source;
        source.request_stop();
        CHECK_THROWS_AS(
            sync_wait(rt, aloft::with_stop(source.get_token(), with_task_group(sleeping))),
            std::system_error);
        CHECK(ended.exchange(0) == 2);
    }
    try {
        sync_wait(rt, aloft::with_timeout(2ms, with_task_group(sleeping)));
        FAIL("not stopped");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::timed_out);
    }
    CHECK(ended.load() == 2);
}

TEST_CASE("the runtime's end stops a group, and its frames go") {
    std::atomic<int> ended{0};
    std::atomic<int> begun{0};
    {
        runtime rt(runtime_options{}.threads(2));
        aloft::spawn(rt, [&]() -> task<void> {
            co_await with_task_group([&](task_group& group) -> task<void> {
                for (int i = 0; i < 10; ++i) {
                    group.spawn(never(ended));
                }
                begun.fetch_add(1);
                co_return;
            });
        }).detach();
        test_support::wait_until([&] { return begun.load() == 1; });
    }
    CHECK(ended.load() == 10);
}

TEST_CASE("a task's frame goes when it ends, not when the group does") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    std::atomic<int> alive{0};
    std::atomic<int> most{0};
    struct count {
        std::atomic<int>* of;
        explicit count(std::atomic<int>& c) : of(&c) { of->fetch_add(1); }
        count(count&& other) noexcept : of(std::exchange(other.of, nullptr)) {}
        ~count() {
            if (of != nullptr) {
                of->fetch_sub(1);
            }
        }
    };
    bool gone = true;
    sync_wait(rt, with_task_group([&](task_group& group) -> task<void> {
                  for (int i = 0; i < 1000 && gone; ++i) {
                      group.spawn([](count held, std::atomic<int>& peak) -> task<void> {
                          peak.store(std::max(peak.load(), held.of->load()));
                          co_return;
                      }(count(alive), most));
                      for (int turn = 0; alive.load() > 10 && gone; ++turn) {
                          gone = turn < 100'000;
                          co_await yield(); // to what it has started
                      }
                  }
              }));
    CHECK(gone);
    CHECK(alive.load() == 0);
    CHECK(most.load() <= 11); // of 1000
}

TEST_CASE("failures and ends race, and the parent goes on once") {
    runtime rt(runtime_options{}.threads(2));
    const std::size_t rounds = testing::scaled(20'000);
    const auto run = [&]() -> task<std::size_t> {
        std::size_t failures = 0;
        for (std::size_t i = 0; i < rounds; ++i) {
            std::atomic<int> ended{0};
            auto group = with_task_group([&ended](task_group& g) -> task<void> {
                for (int k = 0; k < 3; ++k) {
                    g.spawn([](std::atomic<int>& count, int n) -> task<void> {
                        co_await yield();
                        count.fetch_add(1);
                        if (n == 1) {
                            throw n;
                        }
                    }(ended, k));
                }
                co_return;
            });
            try {
                co_await group;
            } catch (int) {
                ++failures;
            }
            REQUIRE(ended.load() == 3);
        }
        co_return failures;
    };
    CHECK(sync_wait(rt, run()) == rounds);
}

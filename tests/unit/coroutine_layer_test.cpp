// SPDX-License-Identifier: MIT
// The coroutine layer alone: no header of the runtime is included, so tasks run on this thread.
#include <aloft/as_result.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/counted.hpp"

#include <catch2/catch_test_macros.hpp>

#include <coroutine>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using aloft::sync_wait;
using aloft::task;
using aloft::when_all;

namespace {

task<std::thread::id> where() {
    co_return std::this_thread::get_id();
}

task<int> give(int value) {
    co_return value;
}

/// Resumes its coroutine on a thread of its own.
class on_new_thread {
public:
    explicit on_new_thread(std::thread& thread) noexcept : thread_(&thread) {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) {
        std::thread& slot = *thread_; // the frame may be gone before the assignment below
        slot = std::thread([self] { self.resume(); });
    }
    void await_resume() const noexcept {}

private:
    std::thread* thread_;
};

} // namespace

TEST_CASE("without a runtime a task runs on the thread that waits") {
    CHECK(sync_wait(where()) == std::this_thread::get_id());
}

TEST_CASE("without a runtime the children of when_all run one after another") {
    std::vector<int> order;
    auto child = [&](int i) -> task<int> {
        order.push_back(i);
        co_return i;
    };
    auto parent = [&]() -> task<int> {
        auto [a, b, c] = co_await when_all(child(1), child(2), child(3));
        co_return a + b + c;
    };
    CHECK(sync_wait(parent()) == 6);
    CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("without a runtime a hundred thousand children end exactly once") {
    auto parent = []() -> task<long> {
        std::vector<task<int>> tasks;
        for (int i = 0; i < 100'000; ++i) {
            tasks.push_back(give(1));
        }
        long sum = 0;
        for (const int each : co_await when_all(std::move(tasks))) {
            sum += each;
        }
        co_return sum;
    };
    CHECK(sync_wait(parent()) == 100'000);
}

TEST_CASE("without a runtime nested when_all and failures work") {
    auto bad = []() -> task<int> {
        throw std::runtime_error("bad");
        co_return 0;
    };
    auto parent = [&]() -> task<std::string> {
        try {
            (void)co_await when_all(when_all(give(1), give(2)), bad());
        } catch (const std::runtime_error& error) {
            co_return error.what();
        }
        co_return "nothing thrown";
    };
    CHECK(sync_wait(parent()) == "bad");
}

TEST_CASE("without a runtime a deep chain does not grow the stack") {
    struct chain {
        static task<long> link(int depth) {
            if (depth == 0) {
                co_return 0;
            }
            co_return 1 + co_await link(depth - 1);
        }
    };
    CHECK(sync_wait(chain::link(200'000)) == 200'000);
}

TEST_CASE("without a runtime children that another thread resumes are joined") {
    std::thread first;
    std::thread second;
    auto child = [](std::thread& thread, int value) -> task<int> {
        co_await on_new_thread(thread);
        long sum = 0;
        for (int i = 0; i < 1000; ++i) {
            sum += co_await give(value);
        }
        co_return static_cast<int>(sum / 1000);
    };
    auto parent = [&]() -> task<int> {
        auto [a, b] = co_await when_all(child(first, 1), child(second, 2));
        co_return a + b;
    };
    CHECK(sync_wait(parent()) == 3);
    first.join();
    second.join();
}

TEST_CASE("without a runtime yield goes on at once") {
    auto parent = []() -> task<int> {
        for (int i = 0; i < 10; ++i) {
            co_await aloft::yield();
        }
        co_return 1;
    };
    CHECK(sync_wait(parent()) == 1);
}

TEST_CASE("without a runtime a free semaphore is acquired at once") {
    auto parent = []() -> task<bool> {
        aloft::semaphore permits(1);
        co_await permits.acquire();
        const bool second = permits.try_acquire();
        permits.release();
        co_return !second && permits.try_acquire();
    };
    CHECK(sync_wait(parent()));
}

TEST_CASE("without a runtime what needs one says so") {
    const testing::counted before;
    try {
        auto handle = aloft::spawn(give(1));
        FAIL("spawn went through");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::operation_not_permitted);
        CHECK(std::string(error.what()).find("spawn") != std::string::npos);
        CHECK(std::string(error.what()).find("<aloft/runtime.hpp>") != std::string::npos);
    }
    auto parent = []() -> task<> {
        aloft::semaphore none(0);
        co_await none.acquire();
    };
    CHECK_THROWS_AS(sync_wait(parent()), std::system_error);
    CHECK(testing::counted::alive() == 1);
}

TEST_CASE("without a runtime as_result turns a system error into a value") {
    auto refused = []() -> task<int> {
        throw std::system_error(std::make_error_code(std::errc::connection_refused));
        co_return 0;
    };
    auto parent = [&]() -> task<bool> {
        const aloft::result<int> got = co_await as_result(refused());
        co_return !got && got.error() == std::errc::connection_refused;
    };
    CHECK(sync_wait(parent()));
}

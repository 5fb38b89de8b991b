// SPDX-License-Identifier: MIT
// Strangers: threads, awaitables and coroutine types that are not the library's.
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/counted.hpp"
#include "helpers/scale.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::when_all;
using aloft::yield;
using testing::counted;

namespace {

/// A plain thread that resumes what it is given, as another library's event loop would.
class stranger {
public:
    stranger() : thread_([this] { serve(); }) {}
    ~stranger() {
        {
            const std::scoped_lock lock(mutex_);
            ending_ = true;
            changed_.notify_one();
        }
        thread_.join();
    }

    void resume_later(std::coroutine_handle<> coroutine) {
        const std::scoped_lock lock(mutex_);
        queue_.push_back(coroutine);
        changed_.notify_one();
    }

    [[nodiscard]] std::thread::id id() const { return thread_.get_id(); }

    /// Awaited in any coroutine: goes on on this thread.
    [[nodiscard]] auto enter() {
        struct awaiter {
            stranger& self;
            [[nodiscard]] bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<> caller) const { self.resume_later(caller); }
            void await_resume() const noexcept {}
        };
        return awaiter{*this};
    }

private:
    void serve() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
            if (queue_.empty()) {
                return;
            }
            const std::coroutine_handle<> next = queue_.front();
            queue_.pop_front();
            lock.unlock();
            next.resume();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::coroutine_handle<>> queue_;
    bool ending_ = false;
    std::thread thread_;
};

/// Another library's fire-and-forget coroutine: knows nothing of environments.
struct detached {
    struct promise_type {
        detached get_return_object() const noexcept { return {}; }
        [[nodiscard]] std::suspend_never initial_suspend() const noexcept { return {}; }
        [[nodiscard]] std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

task<int> give(int value) {
    co_return value;
}

task<int> give_later(int value) {
    co_await yield();
    co_return value;
}

} // namespace

TEST_CASE("a task that a strange thread resumes goes on there and comes back by yielding") {
    stranger other;
    runtime rt(runtime_options{}.threads(2));
    auto parent = [&]() -> task<std::string> {
        co_await other.enter();
        const bool there = std::this_thread::get_id() == other.id();
        co_await yield();
        const bool back = aloft::this_worker::index() >= 0 && &runtime::current() == &rt;
        co_return std::string(there ? "there" : "nowhere") + (back ? " and back" : " and lost");
    };
    for (int i = 0; i < 100; ++i) {
        REQUIRE(sync_wait(rt, parent()) == "there and back");
    }
}

TEST_CASE("a task on a strange thread may await, sleep, spawn, fork, offload and acquire") {
    using namespace std::chrono_literals;
    stranger other;
    runtime rt(runtime_options{}.threads(2));
    auto parent = [&]() -> task<int> {
        int sum = 0;
        co_await other.enter();
        sum += co_await give(1);
        sum += co_await give_later(2);

        co_await other.enter();
        co_await aloft::sleep_for(1ms);
        sum += aloft::this_worker::index() >= 0 ? 4 : 0;

        co_await other.enter();
        auto [a, b] = co_await when_all(give(8), give_later(16));
        sum += a + b;

        co_await other.enter();
        sum += co_await aloft::offload([] { return 32; });

        co_await other.enter();
        aloft::semaphore permits(0);
        auto handle = spawn(rt, [&] { permits.release(); });
        co_await permits.acquire();
        co_await handle;
        sum += 64;

        co_await other.enter();
        sum += co_await spawn(rt, give_later(128));
        co_return sum;
    };
    for (int i = 0; i < 50; ++i) {
        REQUIRE(sync_wait(rt, parent()) == 255);
    }
}

TEST_CASE("a task that ends on a strange thread is joined from a worker and from a plain thread") {
    stranger other;
    runtime rt(runtime_options{}.threads(2));
    auto ends_there = [&](counted parameter) -> task<int> {
        co_await other.enter();
        co_return parameter.number();
    };
    auto joins = [&]() -> task<int> {
        const int awaited = co_await ends_there(counted(1));
        const int joined = co_await spawn(rt, ends_there(counted(2)));
        auto [x, y] = co_await when_all(ends_there(counted(3)), ends_there(counted(4)));
        co_return awaited * 1000 + joined * 100 + x * 10 + y;
    };
    for (int i = 0; i < 100; ++i) {
        REQUIRE(sync_wait(rt, joins()) == 1234);
    }
    CHECK(counted::alive() == 0);
}

TEST_CASE("a long loop of awaits and a deep chain run on a strange thread too") {
    stranger other;
    struct chain {
        static task<long> link(int depth) {
            if (depth == 0) {
                co_return 0;
            }
            co_return 1 + co_await link(depth - 1);
        }
    };
    auto parent = [&]() -> task<long> {
        co_await other.enter();
        long sum = 0;
        for (int i = 0; i < 1'000'000; ++i) {
            sum += co_await give(1);
        }
        co_return sum + co_await chain::link(100'000);
    };
    CHECK(sync_wait(parent()) == 1'100'000);
}

TEST_CASE("many tasks hop between workers and strange threads, and each arrives") {
    std::vector<std::unique_ptr<stranger>> others;
    for (int i = 0; i < 3; ++i) {
        others.push_back(std::make_unique<stranger>());
    }
    runtime rt(runtime_options{}.threads(3));
    const std::size_t hops = testing::scaled(500);
    std::atomic<std::size_t> arrived{0};
    auto hopper = [&](std::size_t number) -> task<> {
        for (std::size_t i = 0; i < hops; ++i) {
            co_await others[(number + i) % others.size()]->enter();
            if (i % 2 == 0) {
                co_await yield();
            } else {
                (void)co_await spawn(rt, give(1));
            }
            arrived.fetch_add(1);
        }
    };
    std::vector<task<>> tasks;
    for (std::size_t i = 0; i < 32; ++i) {
        tasks.push_back(hopper(i));
    }
    sync_wait(rt, when_all(std::move(tasks)));
    CHECK(arrived.load() == 32 * hops);
}

TEST_CASE("a strange coroutine on a worker awaits everything that a task can") {
    using namespace std::chrono_literals;
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> sum{0};
    aloft::semaphore done(0);
    auto strange = [&]() -> detached {
        int mine = 0;
        mine += co_await give(1);
        mine += co_await give_later(2);
        co_await yield();
        co_await aloft::sleep_for(1ms);
        auto [a, b] = co_await when_all(give(4), give_later(8));
        mine += a + b;
        mine += co_await aloft::offload([] { return 16; });
        mine += co_await spawn(give_later(32));
        sum.fetch_add(mine);
        done.release();
    };
    auto parent = [&]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            strange();
        }
        for (int i = 0; i < 20; ++i) {
            co_await done.acquire();
        }
    };
    sync_wait(rt, parent());
    CHECK(sum.load() == 20 * 63);
}

TEST_CASE("a strange coroutine on a plain thread uses the default runtime") {
    using namespace std::chrono_literals;
    std::atomic<int> sum{0};
    aloft::semaphore done(0);
    auto strange = [&]() -> detached {
        int mine = co_await give(1);
        co_await aloft::sleep_for(1ms);
        mine += &runtime::current() == &aloft::default_runtime() ? 2 : 0;
        mine += co_await spawn(give_later(4));
        sum.fetch_add(mine);
        done.release();
    };
    strange();
    sync_wait(done.acquire());
    CHECK(sum.load() == 7);
}

TEST_CASE("a strange coroutine passes exceptions of tasks on") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    std::string caught;
    aloft::semaphore done(0);
    auto bad = []() -> task<> {
        co_await yield();
        throw std::runtime_error("bad");
    };
    auto strange = [&]() -> detached {
        try {
            co_await bad();
        } catch (const std::runtime_error& error) {
            caught = error.what();
        }
        done.release();
    };
    auto parent = [&]() -> task<> {
        strange();
        co_await done.acquire();
    };
    sync_wait(rt, parent());
    CHECK(caught == "bad");
}

// ---- resume() by hand, inside a running task ----

namespace {

/// Keeps the handle of whoever awaits it.
struct parking_place {
    std::coroutine_handle<> parked;

    [[nodiscard]] auto park() noexcept {
        struct awaiter {
            parking_place& place;
            [[nodiscard]] bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<> caller) const noexcept {
                place.parked = caller;
            }
            void await_resume() const noexcept {}
        };
        return awaiter{*this};
    }

    void resume() { std::exchange(parked, {}).resume(); }
};

} // namespace

TEST_CASE("a task may resume another task by hand and go on") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    parking_place place;
    std::vector<int> steps;
    auto parked = [&]() -> task<> {
        co_await place.park();
        steps.push_back(co_await give(1));
        steps.push_back(co_await give(2));
        co_await place.park();
        steps.push_back(co_await give(3));
    };
    auto parent = [&]() -> task<> {
        auto handle = spawn(parked());
        while (!place.parked) {
            co_await yield();
        }
        place.resume(); // with the trampoline, its first await is left in this thread's slot
        const int mine = co_await give(10);
        while (!place.parked) {
            co_await yield();
        }
        place.resume();
        steps.push_back(mine + co_await give_later(0));
        co_await handle;
    };
    sync_wait(rt, parent());
    REQUIRE(steps.size() == 4);
    CHECK(steps[0] == 1);
    CHECK(steps[1] == 2);
    std::sort(steps.begin(), steps.end());
    CHECK(steps == std::vector{1, 2, 3, 10});
}

TEST_CASE("resuming by hand over and over does not grow the stack or lose a step") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    parking_place place;
    long steps = 0;
    bool ended = false;
    constexpr int rounds = 100'000;
    auto parked = [&]() -> task<> {
        for (int i = 0; i < rounds; ++i) {
            co_await place.park();
            steps += co_await give(1);
        }
        ended = true;
    };
    auto parent = [&]() -> task<> {
        auto handle = spawn(parked());
        while (!ended) {
            if (place.parked) {
                place.resume();
            }
            steps += co_await give(0);
            if (!place.parked && !ended) {
                co_await yield();
            }
        }
        co_await handle;
    };
    sync_wait(rt, parent());
    CHECK(steps == rounds);
}

TEST_CASE("several parked tasks that one task resumes in a row all go on") {
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    constexpr std::size_t count = 50;
    std::vector<parking_place> places(count);
    std::vector<int> got(count, 0);
    auto parked = [&](std::size_t i) -> task<> {
        co_await places[i].park();
        got[i] += co_await give(1);
        got[i] += co_await give_later(10);
        got[i] += co_await give(100);
    };
    auto parent = [&]() -> task<> {
        std::vector<aloft::join_handle<>> handles;
        for (std::size_t i = 0; i < count; ++i) {
            handles.push_back(spawn(parked(i)));
        }
        for (std::size_t i = 0; i < count; ++i) {
            while (!places[i].parked) {
                co_await yield();
            }
        }
        for (parking_place& place : places) {
            place.resume();
        }
        for (aloft::join_handle<>& each : handles) {
            co_await each;
        }
    };
    sync_wait(rt, parent());
    CHECK(got == std::vector<int>(count, 111));
}

TEST_CASE("a task that was resumed by hand on a plain thread runs there to its next suspension") {
    runtime rt(runtime_options{}.threads(2));
    parking_place place;
    std::atomic<bool> ready{false};
    std::atomic<bool> on_plain_thread{false};
    auto parked = [&]() -> task<int> {
        struct announce {
            parking_place& at;
            std::atomic<bool>& flag;
            [[nodiscard]] bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<> caller) const noexcept {
                std::atomic<bool>& published = flag;
                at.parked = caller;
                published.store(true);
            }
            void await_resume() const noexcept {}
        };
        co_await announce{place, ready};
        int sum = 0;
        for (int i = 0; i < 1000; ++i) {
            sum += co_await give(1);
        }
        on_plain_thread.store(aloft::this_worker::index() == -1);
        co_await yield();
        co_return sum + (aloft::this_worker::index() >= 0 ? 1 : 0);
    };
    auto handle = spawn(rt, parked());
    while (!ready.load()) {
        std::this_thread::yield();
    }
    place.resume();
    CHECK(sync_wait(rt, handle) == 1001);
    CHECK(on_plain_thread.load());
}

// ---- the runtime's end against strangers ----

TEST_CASE("a runtime may end as soon as a task that ended on a strange thread was waited for") {
    stranger other;
    auto ends_there = [&]() -> task<int> {
        co_await other.enter();
        co_return 1;
    };
    for (std::size_t i = 0; i < testing::scaled(1'000); ++i) {
        runtime rt(runtime_options{}.threads(1).spare_workers(0));
        REQUIRE(sync_wait(rt, ends_there()) == 1);
    }
}

TEST_CASE("a runtime may end as soon as a task that a plain thread released was waited for") {
    for (std::size_t i = 0; i < testing::scaled(1'000); ++i) {
        aloft::semaphore permits(0);
        std::thread releaser;
        {
            runtime rt(runtime_options{}.threads(1).spare_workers(0));
            auto waits = [&]() -> task<> { co_await permits.acquire(); };
            auto waiter = spawn(rt, waits());
            releaser = std::thread([&] { permits.release(); });
            sync_wait(rt, waiter);
        }
        releaser.join();
    }
}

TEST_CASE("a runtime may end while tasks end on strange threads") {
    stranger other;
    std::atomic<std::size_t> ended{0};
    const std::size_t rounds = testing::scaled(300);
    for (std::size_t i = 0; i < rounds; ++i) {
        auto ends_there = [&]() -> task<> {
            co_await other.enter();
            ended.fetch_add(1);
        };
        runtime rt(runtime_options{}.threads(1 + i % 3));
        for (int j = 0; j < 5; ++j) {
            spawn(rt, ends_there()).detach();
        }
    }
    CHECK(ended.load() == rounds * 5);
}

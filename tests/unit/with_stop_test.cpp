// SPDX-License-Identifier: MIT
// with_stop: everything that can wait ends promptly when it is stopped before or meanwhile, and
// nothing is lost when the request races the end.
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include "helpers/races.hpp"
#include "helpers/scale.hpp"

#include <support/doorbell.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

using namespace std::chrono_literals;
using aloft::runtime;
using aloft::runtime_options;
using aloft::semaphore;
using aloft::spawn;
using aloft::stop_source;
using aloft::sync_wait;
using aloft::task;
using aloft::when_all;
using aloft::with_stop;
using aloft::with_timeout;
using testing::end;
using testing::races;
using testing::record;

namespace {

/// Stops what `make` gives before it begins, and while it waits.
template <class Make>
void stops_promptly(runtime& rt, Make make) {
    {
        stop_source source;
        source.request_stop();
        std::atomic<int> begun{0};
        std::atomic<end> how{end::none};
        sync_wait(rt, with_stop(source.get_token(), record(make, begun, how)));
        CHECK(how.load() == end::canceled);
    }
    const auto stopped_meanwhile = [&](stop_source& source, auto around) {
        std::atomic<int> begun{0};
        std::atomic<end> how{end::none};
        std::thread stopper([&] {
            test_support::wait_until([&] { return begun.load() > 0; });
            source.request_stop();
        });
        sync_wait(rt, around(record(make, begun, how)));
        stopper.join();
        CHECK(how.load() == end::canceled);
    };
    stop_source only;
    stopped_meanwhile(only,
                      [&](task<void> t) { return with_stop(only.get_token(), std::move(t)); });
    // Where two can stop it, either does.
    for (const bool outer_stops : {true, false}) {
        stop_source outer;
        stop_source inner;
        stopped_meanwhile(outer_stops ? outer : inner, [&](task<void> t) {
            return with_stop(outer.get_token(), with_stop(inner.get_token(), std::move(t)));
        });
    }
    { // a time limit is another way
        std::atomic<int> begun{0};
        std::atomic<end> how{end::none};
        sync_wait(rt, record([&] { return with_timeout(1ms, make()); }, begun, how));
        CHECK(how.load() == end::timed_out);
    }
    { // and so is a sibling's failure
        std::atomic<int> begun{0};
        std::atomic<end> how{end::none};
        const auto fails = [&]() -> task<void> {
            while (begun.load() == 0) {
                co_await aloft::yield();
            }
            throw std::runtime_error("sibling");
        };
        CHECK_THROWS_AS(sync_wait(rt, when_all(record(make, begun, how), fails())),
                        std::runtime_error);
        CHECK(how.load() == end::canceled);
    }
}

} // namespace

TEST_CASE("a sleep is stopped") {
    runtime rt(runtime_options{}.threads(2));
    stops_promptly(rt, [] { return aloft::sleep_for(1h); });
}

TEST_CASE("waiting for a descriptor is stopped") {
    runtime rt(runtime_options{}.threads(2));
    const test_support::doorbell bell;
    stops_promptly(rt, [&] { return bell.wait(); });
    stops_promptly(rt, [&] { return bell.wait(1h); });
}

TEST_CASE("an accept is stopped") {
    runtime rt(runtime_options{}.threads(2));
    aloft::tcp_listener listener = aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
    stops_promptly(rt, [&] { return listener.accept(); });
}

TEST_CASE("waiting for a permit is stopped, and takes none") {
    runtime rt(runtime_options{}.threads(2));
    semaphore permits(0);
    stops_promptly(rt, [&] { return permits.acquire(); });
    permits.release();
    CHECK(permits.try_acquire());
    CHECK_FALSE(permits.try_acquire());
}

TEST_CASE("a permit that is there is not taken by a task that has been stopped") {
    runtime rt(runtime_options{}.threads(1));
    semaphore permits(1);
    stop_source source;
    source.request_stop();
    std::atomic<int> begun{0};
    std::atomic<end> how{end::none};
    sync_wait(rt,
              with_stop(source.get_token(), record([&] { return permits.acquire(); }, begun, how)));
    CHECK(how.load() == end::canceled);
    CHECK(permits.try_acquire());
}

TEST_CASE("a join is stopped, the task runs on, and can be joined again") {
    runtime rt(runtime_options{}.threads(2));
    semaphore go(0);
    auto handle = spawn(rt, [&]() -> task<int> {
        co_await go.acquire();
        co_return 7;
    });
    stops_promptly(rt, [&]() -> task<int> { co_return co_await handle; });
    go.release();
    CHECK(sync_wait(rt, handle) == 7);
}

TEST_CASE("a call that waits for a thread of the blocking pool is stopped and never runs") {
    runtime rt(runtime_options{}.threads(2).blocking_threads(1));
    std::atomic<bool> release{false};
    std::atomic<bool> blocking{false};
    auto blocker = spawn(rt, [&]() -> task<void> {
        co_await aloft::offload([&] {
            blocking.store(true);
            test_support::wait_until([&] { return release.load(); });
        });
    });
    test_support::wait_until([&] { return blocking.load(); });
    std::atomic<int> ran{0};
    stops_promptly(rt, [&] { return aloft::offload([&ran] { ++ran; }); });
    release.store(true);
    sync_wait(rt, blocker);
    CHECK(ran.load() == 0);
}

TEST_CASE("the token of a task is that of what is around it, or its runtime's") {
    runtime rt(runtime_options{}.threads(1));
    stop_source source;
    const auto look = [](bool& requested) -> task<aloft::stop_token> {
        const aloft::stop_token token = co_await aloft::this_task::stop_token();
        requested = token.stop_requested();
        co_return token;
    };
    bool requested = true;
    CHECK(sync_wait(rt, look(requested)).stop_possible());
    CHECK_FALSE(requested);
    CHECK(sync_wait(rt, with_stop(source.get_token(), look(requested))).stop_possible());
    CHECK_FALSE(requested);
    source.request_stop();
    (void)sync_wait(rt, with_stop(source.get_token(), look(requested)));
    CHECK(requested);
}

TEST_CASE("a task that only asks its token ends with the runtime, whatever is around it") {
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    const auto asks = [&]() -> task<void> {
        begun.fetch_add(1);
        const aloft::stop_token token = co_await aloft::this_task::stop_token();
        while (!token.stop_requested()) {
            co_await aloft::yield();
        }
        ended.fetch_add(1);
    };
    stop_source source;
    {
        runtime rt(runtime_options{}.threads(2));
        spawn(rt, asks()).detach();
        spawn(rt, with_stop(source.get_token(), asks())).detach();
        spawn(rt, with_timeout(1h, asks())).detach();
        spawn(rt, when_all(asks(), asks())).detach();
        test_support::wait_until([&] { return begun.load() == 5; });
    }
    CHECK(ended.load() == 5);
}

TEST_CASE("what ends in time keeps its result, and the limit is forgotten") {
    runtime rt(runtime_options{}.threads(2));
    const auto answer = []() -> task<std::string> {
        co_await aloft::yield();
        co_return "done";
    };
    CHECK(sync_wait(rt, with_timeout(1h, answer())) == "done");
    CHECK(sync_wait(rt, with_timeout(std::chrono::hours::max(), answer())) == "done");
    const auto fails = []() -> task<void> {
        co_await aloft::yield();
        throw std::out_of_range("own");
    };
    CHECK_THROWS_AS(sync_wait(rt, with_timeout(1h, fails())), std::out_of_range);
}

TEST_CASE("no time at all stops at the first await, and what awaits nothing has its result") {
    runtime rt(runtime_options{}.threads(1));
    CHECK_THROWS_AS(sync_wait(rt, with_timeout(0ms, aloft::sleep_for(1h))), std::system_error);
    CHECK_THROWS_AS(sync_wait(rt, with_timeout(-1ms, aloft::sleep_for(1h))), std::system_error);
    const auto at_once = []() -> task<int> { co_return 3; };
    CHECK(sync_wait(rt, with_timeout(0ms, at_once())) == 3);
}

TEST_CASE("a result that comes in spite of the limit counts") {
    runtime rt(runtime_options{}.threads(2));
    const auto stubborn = []() -> task<int> {
        const aloft::stop_token token = co_await aloft::this_task::stop_token();
        while (!token.stop_requested()) {
            co_await aloft::yield();
        }
        co_return 5;
    };
    CHECK(sync_wait(rt, with_timeout(1ms, stubborn())) == 5);
}

TEST_CASE("the inner one of two time limits expires by itself, and the outer one goes on") {
    runtime rt(runtime_options{}.threads(2));
    const auto work = []() -> task<bool> {
        bool inner = false;
        try {
            co_await with_timeout(1ms, aloft::sleep_for(1h));
        } catch (const std::system_error& error) {
            inner = error.code() == std::errc::timed_out;
        }
        co_await aloft::sleep_for(1ms);
        co_return inner;
    };
    CHECK(sync_wait(rt, with_timeout(1h, work())));
}

TEST_CASE("what is stopped by others than the limit ends as cancelled, not as too late") {
    runtime rt(runtime_options{}.threads(2));
    stop_source source;
    std::atomic<int> begun{0};
    std::atomic<end> how{end::none};
    std::thread stopper([&] {
        test_support::wait_until([&] { return begun.load() > 0; });
        source.request_stop();
    });
    sync_wait(rt,
              with_stop(source.get_token(),
                        record([] { return with_timeout(1h, aloft::sleep_for(1h)); }, begun, how)));
    stopper.join();
    CHECK(how.load() == end::canceled);
}

TEST_CASE("the runtime's end stops what waits for other tasks") {
    semaphore never(0);
    stop_source unused;
    std::atomic<int> begun{0};
    std::atomic<end> plain{end::none};
    std::atomic<end> stoppable{end::none};
    std::atomic<end> limited{end::none};
    {
        runtime rt(runtime_options{}.threads(2));
        spawn(rt, record([&] { return never.acquire(); }, begun, plain)).detach();
        spawn(rt, with_stop(unused.get_token(),
                            record([&] { return never.acquire(); }, begun, stoppable)))
            .detach();
        spawn(rt, record([&] { return with_timeout(1h, never.acquire()); }, begun, limited))
            .detach();
        test_support::wait_until([&] { return begun.load() == 3; });
    }
    CHECK(plain.load() == end::canceled);
    CHECK(stoppable.load() == end::canceled);
    CHECK(limited.load() == end::canceled);
    { // and the semaphore serves the next runtime
        runtime rt(runtime_options{}.threads(1));
        auto waits = spawn(rt, never.acquire());
        never.release();
        sync_wait(rt, waits);
    }
}

TEST_CASE("a permit and a stop request race, and the permit is never lost nor doubled") {
    semaphore permits(0);
    races(
        "permits against stop", 100'000, [&] { return permits.acquire(); },
        [&] { permits.release(); }, [&](bool got) { return permits.try_acquire() != got; });
}

TEST_CASE("a descriptor's readiness and a stop request race") {
    const test_support::doorbell bell;
    races(
        "readiness against stop", 100'000, [&] { return bell.wait(); }, [&] { bell.ring(); },
        [&](bool seen) { return bell.settle(seen); });
}

TEST_CASE("a sleep's end and a stop request race") {
    races(
        "sleep against stop", 100'000,
        [] { return aloft::sleep_for(std::chrono::microseconds(30)); }, [] {},
        [](bool) { return true; });
}

TEST_CASE("a task's end and a stop request race, and the handle is joined in the end") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> ended{0};
    semaphore go(0);
    std::optional<aloft::join_handle<int>> handle;
    const auto again = [&] {
        handle = spawn(rt, [&]() -> task<int> {
            co_await go.acquire();
            ended.fetch_add(1);
            co_return 1;
        });
    };
    again();
    races(
        "join against stop", 50'000, [&]() -> task<int> { co_return co_await *handle; },
        [&] { go.release(); },
        [&](bool joined) {
            const bool right = joined || sync_wait(rt, *handle) == 1;
            again();
            return right && ended.exchange(0) == 1;
        });
    go.release();
    CHECK(sync_wait(rt, *handle) == 1);
}

TEST_CASE("a limit and the end race, and the task is neither lost nor resumed twice") {
    const std::size_t rounds = testing::race_rounds(50'000);
    runtime rt(runtime_options{}.threads(2));
    const auto run = [&]() -> task<std::size_t> {
        std::size_t late = 0;
        for (std::size_t i = 0; i < rounds; ++i) {
            try {
                co_await with_timeout(std::chrono::microseconds(20 + i % 40),
                                      aloft::sleep_for(std::chrono::microseconds(40)));
            } catch (const std::system_error& error) {
                if (error.code() != std::errc::timed_out) {
                    throw;
                }
                ++late;
            }
        }
        co_return late;
    };
    const std::size_t late = sync_wait(rt, run());
    std::printf("limit against end: %zu of %zu were too late\n", late, rounds);
    CHECK(late <= rounds);
}

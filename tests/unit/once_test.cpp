// SPDX-License-Identifier: MIT
// once and once_async: run to the end once, whoever fails or gives up on the way.
#include <aloft/event.hpp>
#include <aloft/once.hpp>
#include <aloft/once_async.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/yield.hpp>

#include "helpers/child_process.hpp"
#include "helpers/counted.hpp"
#include "helpers/races.hpp"
#include "helpers/scale.hpp"
#include "helpers/seed.hpp"
#include "helpers/waiting.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using aloft::event;
using aloft::once;
using aloft::once_async;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using test_support::workers;
using testing::end;

TEST_CASE("a function is run once, plain or asynchronous") {
    once plain;
    once asynchronous;
    int ran = 0;
    CHECK_FALSE(plain.done());
    auto calls = [&]() -> task<> {
        for (int i = 0; i < 3; ++i) {
            co_await plain.call([&] { return ++ran; });
            co_await asynchronous.call([&]() -> task<int> {
                co_await aloft::yield();
                co_return ran += 10;
            });
        }
    };
    sync_wait(calls());
    CHECK(ran == 11);
    CHECK(plain.done());
    CHECK(asynchronous.done());
    sync_wait(plain.call([&] { ++ran; }));
    CHECK(ran == 11);
}

TEST_CASE("many tasks call at once, one runs, and all go on behind its end") {
    const std::size_t rounds = testing::scaled(2'000);
    runtime rt(workers(4));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        once o;
        std::size_t plain = 0; // the thread sanitizer sees every access that is not ordered
        std::atomic<std::size_t> right{0};
        auto calls = [&]() -> task<> {
            co_await o.call([&]() -> task<> {
                co_await aloft::yield();
                ++plain;
            });
            right.fetch_add(plain);
        };
        std::vector<task<>> tasks;
        for (int t = 0; t < 8; ++t) {
            tasks.push_back(calls());
        }
        sync_wait(rt, aloft::when_all(std::move(tasks)));
        wrong += right.load() == 8 ? 0 : 1;
    }
    CHECK(wrong == 0);
}

TEST_CASE(
    "what the function throws comes out of its call, and the one that waits longest is next") {
    runtime rt(workers(1));
    once o;
    event go;
    std::vector<int> order;
    std::atomic<int> failures{0};
    auto calls = [&](int number) -> task<> {
        try {
            co_await o.call([&]() -> task<> {
                order.push_back(number);
                co_await go.wait();
                if (number < 3) {
                    throw std::runtime_error("not yet");
                }
            });
        } catch (const std::runtime_error&) {
            failures.fetch_add(1);
        }
    };
    auto parent = [&]() -> task<> {
        std::vector<aloft::join_handle<>> handles;
        for (int i = 0; i < 6; ++i) {
            handles.push_back(spawn(calls(i)));
            co_await testing::settle();
        }
        go.set();
        for (auto& each : handles) {
            co_await each;
        }
    };
    sync_wait(rt, parent());
    CHECK(order == std::vector<int>{0, 1, 2, 3});
    CHECK(failures.load() == 3);
    CHECK(o.done());
    once again;
    CHECK_THROWS_AS(sync_wait(rt, again.call([] { throw std::runtime_error("plain"); })),
                    std::runtime_error);
    CHECK_FALSE(again.done());
    sync_wait(rt, again.call([] {}));
    CHECK(again.done());
}

TEST_CASE(
    "waiting for another call gives up in every way; so does running, and the next one runs") {
    once o;
    event go;
    int ran = 0;
    auto waits_long = [&]() -> task<> {
        co_await go.wait();
        ++ran;
    };
    testing::gives_up_in_every_way([&] { return o.call(waits_long); }); // running
    CHECK_FALSE(o.done());
    {
        runtime holder(workers(1));
        std::atomic<bool> inside{false};
        event enough;
        auto holds = [&]() -> task<> {
            co_await o.call([&]() -> task<> {
                inside.store(true);
                co_await enough.wait();
                throw std::runtime_error("given up");
            });
        };
        auto handle = spawn(holder, holds());
        test_support::wait_until([&] { return inside.load(); });
        testing::gives_up_in_every_way([&] { return o.call(waits_long); }); // waiting
        enough.set();
        CHECK_THROWS_AS(sync_wait(holder, handle), std::runtime_error);
    }
    CHECK(ran == 0);
    CHECK_FALSE(o.done());
    go.set();
    sync_wait(o.call(waits_long));
    CHECK(ran == 1);
    CHECK(o.done());
    runtime rt(workers(1));
    CHECK(testing::stopped_before(rt, [&] { return o.call(waits_long); }) == end::canceled);
}

TEST_CASE("when the frame that runs the function is destroyed, the next one runs its own") {
    runtime rt(workers(1));
    once o;
    event never;
    std::atomic<bool> ended{false};
    int ran = 0;
    auto parent = [&]() -> task<> {
        auto first = [&] { return o.call([&]() -> task<> { co_await never.wait(); }); };
        test_support::orphan frame = test_support::run_in_orphan(first, ended);
        auto second = [&]() -> task<> { co_await o.call([&] { ++ran; }); };
        auto waiter = spawn(second());
        co_await testing::settle();
        frame.destroy();
        co_await waiter;
    };
    sync_wait(rt, parent());
    CHECK_FALSE(ended.load());
    CHECK(ran == 1);
    CHECK(o.done());
}

TEST_CASE("the end of the function and a stop request race, and it is run once") {
    std::optional<once> o;
    o.emplace();
    std::optional<event> go;
    go.emplace();
    std::atomic<int> ran{0};
    auto function = [&]() -> task<> {
        co_await go->wait();
        ran.fetch_add(1);
    };
    testing::races(
        "once against stop", 50'000, [&] { return o->call(function); }, [&] { go->set(); },
        [&](bool through) {
            const bool right = ran.exchange(0) == (through ? 1 : 0) && o->done() == through;
            o.emplace();
            go.emplace();
            return right;
        });
}

TEST_CASE("tasks that fail, are stopped or wait call at once, and one succeeds in the end") {
    const std::uint64_t seed = testing::make_seed("tasks that fail, are stopped or wait");
    const std::size_t rounds = testing::scaled(3'000);
    runtime rt(workers(3));
    std::size_t wrong = 0;
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        once o;
        std::size_t plain = 0;
        std::atomic<int> inside{0};
        std::atomic<std::size_t> bad{0};
        auto stops = [](aloft::stop_source& source, std::size_t turns) -> task<> {
            for (; turns > 0; --turns) {
                co_await aloft::yield();
            }
            source.request_stop();
        };
        auto calls = [&](std::uint64_t which) -> task<> {
            testing::dice dice(seed + which);
            aloft::stop_source source;
            std::atomic<int> begun{0};
            std::atomic<end> how{end::none};
            const bool fails = dice.below(2) == 0;
            auto make = [&]() -> task<> {
                try {
                    co_await o.call([&]() -> task<> {
                        bad.fetch_add(inside.fetch_add(1) == 0 ? 0 : 1);
                        co_await aloft::yield();
                        inside.fetch_sub(1);
                        if (fails) {
                            throw std::runtime_error("fails");
                        }
                        ++plain;
                    });
                    bad.fetch_add(plain == 1 ? 0 : 1);
                } catch (const std::runtime_error& error) {
                    if (error.what() != std::string("fails")) {
                        throw;
                    }
                }
            };
            co_await aloft::when_all(
                aloft::with_stop(source.get_token(), testing::record(make, begun, how)),
                stops(source, dice.below(10)));
        };
        std::vector<task<>> tasks;
        for (int t = 0; t < 5; ++t) {
            tasks.push_back(calls(number++));
        }
        sync_wait(rt, aloft::when_all(std::move(tasks)));
        wrong += bad.load() == 0 && plain == (o.done() ? 1u : 0u) ? 0 : 1;
        sync_wait(rt, o.call([&] { ++plain; }));
        wrong += plain == 1 && o.done() ? 0 : 1;
    }
    CHECK(wrong == 0);
}

TEST_CASE("a value is computed when it is first needed, once, and shared") {
    runtime rt(workers(3));
    std::atomic<int> computed{0};
    {
        auto compute = [&]() -> task<testing::counted> {
            computed.fetch_add(1);
            co_await aloft::yield();
            co_return testing::counted(42);
        };
        once_async<testing::counted> value(compute);
        CHECK(value.try_get() == nullptr);
        CHECK(computed.load() == 0);
        std::atomic<int> wrong{0};
        auto needs = [&]() -> task<> {
            const testing::counted& got = co_await value.get();
            wrong.fetch_add(got.number() == 42 && &got == value.try_get() ? 0 : 1);
        };
        std::vector<task<>> tasks;
        for (int i = 0; i < 20; ++i) {
            tasks.push_back(needs());
        }
        sync_wait(rt, aloft::when_all(std::move(tasks)));
        CHECK(wrong.load() == 0);
        CHECK(computed.load() == 1);
        CHECK(value.try_get()->number() == 42);
        CHECK(testing::counted::alive() == 1);
    }
    CHECK(testing::counted::alive() == 0);
    auto only = std::make_unique<int>(7); // neither the function nor the value needs to be copied
    once_async<std::unique_ptr<int>> moved(
        [only = std::move(only)]() mutable { return std::move(only); });
    auto needs = [&]() -> task<int> { co_return *(co_await moved.get()); };
    CHECK(sync_wait(rt, needs()) == 7);
    CHECK(sync_wait(rt, needs()) == 7);
}

TEST_CASE("a computation that fails or is stopped is begun anew by the next one") {
    runtime rt(workers(1));
    event go;
    int attempts = 0;
    once_async<std::string> value([&]() -> task<std::string> {
        const int attempt = ++attempts;
        co_await go.wait();
        if (attempt == 2) {
            throw std::runtime_error("second");
        }
        co_return std::to_string(attempt);
    });
    auto needs = [&]() -> task<std::string> { co_return co_await value.get(); };
    auto parent = [&]() -> task<std::string> {
        aloft::stop_source source;
        auto stopped = spawn(aloft::with_stop(source.get_token(), needs()));
        co_await testing::settle();
        auto failing = spawn(needs());
        co_await testing::settle();
        auto lucky = spawn(needs());
        co_await testing::settle();
        source.request_stop();
        std::string log;
        try {
            co_await stopped;
        } catch (const std::system_error& error) {
            log += error.code() == std::errc::operation_canceled ? "canceled " : "? ";
        }
        co_await testing::settle();
        log += attempts == 2 && value.try_get() == nullptr ? "next " : "? ";
        go.set();
        try {
            co_await failing;
        } catch (const std::runtime_error& error) {
            log += error.what();
        }
        co_return log + " " + co_await lucky;
    };
    CHECK(sync_wait(rt, parent()) == "canceled next second 3");
    CHECK(*value.try_get() == "3");
}

TEST_CASE("waiting for a value gives up in every way") {
    event never;
    once_async<int> value([&]() -> task<int> {
        co_await never.wait();
        co_return 1;
    });
    testing::gives_up_in_every_way([&] { return value.get(); });
    CHECK(value.try_get() == nullptr);
}

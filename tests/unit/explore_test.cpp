// SPDX-License-Identifier: MIT
// The coroutine layer in thousands of orders: each program holds under every seed that is tried.
#include <aloft/aloft.hpp>

#include "helpers/scale.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

using namespace aloft;
using namespace std::chrono_literals;

namespace {

/// Within a simulation, where Catch2's macros would count far too many assertions.
void expect(bool condition, const char* sentence) {
    if (!condition) {
        throw std::logic_error(sentence);
    }
}

template <class Main>
void holds(Main main, std::uint64_t count = 3000) {
    const exploration found = explore(seeds{testing::scaled(count)}, {}, main);
    INFO("seed " << found.seed() << ": " << found.what());
    CHECK(found.passed());
}

task<> after_a_while(stop_source& source) {
    co_await sleep_for(50us);
    source.request_stop();
}

template <class Awaitable>
task<bool> was_stopped(stop_token token, Awaitable awaitable) {
    const auto ended = co_await as_result(with_stop(token, std::move(awaitable)));
    if (!ended) {
        expect(ended.error() == std::errc::operation_canceled, "another error than the stop");
    }
    co_return !ended;
}

} // namespace

TEST_CASE("a mutex keeps others out in every order, and a stopped waiter does not hold it") {
    holds([]() -> task<> {
        mutex m;
        stop_source source;
        int inside = 0;
        int entered = 0;
        const auto enter = [&]() -> task<> {
            const mutex::guard guard = co_await m.lock();
            expect(++inside == 1, "two are inside");
            co_await yield();
            (void)co_await as_result(sleep_for(20us)); // who is inside stays, stopped or not
            --inside;
            ++entered;
        };
        const auto [a, b, c, d, stopped] =
            co_await when_all_settled(enter(), enter(), with_stop(source.get_token(), enter()),
                                      enter(), after_a_while(source));
        expect(entered == 3 + (c ? 1 : 0), "an entry is missing");
        expect(a && b && d && stopped, "somebody failed");
        expect(static_cast<bool>(m.try_lock()), "it is still held");
    });
}

TEST_CASE("a semaphore's permits are conserved in every order, stopped waiters included") {
    holds([]() -> task<> {
        semaphore s(2);
        stop_source source;
        int holding = 0;
        const auto hold = [&]() -> task<> {
            co_await s.acquire();
            expect(++holding <= 2, "more than two hold a permit");
            (void)co_await as_result(sleep_for(30us)); // who has one gives it back, stopped or not
            --holding;
            s.release();
        };
        (void)co_await when_all_settled(hold(), with_stop(source.get_token(), hold()), hold(),
                                        with_stop(source.get_token(), hold()),
                                        after_a_while(source));
        expect(s.try_acquire() && s.try_acquire() && !s.try_acquire(), "permits are missing");
    });
}

TEST_CASE("a channel hands every item to one receiver, and tells all of them of its end") {
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{1}, std::size_t{3}}) {
        holds(
            [capacity]() -> task<> {
                channel<int> items(capacity);
                std::vector<int> got;
                const auto produce = [&](int first) -> task<> {
                    for (int i = 0; i < 4; ++i) {
                        (void)co_await items.send(first + i);
                    }
                };
                const auto consume = [&]() -> task<> {
                    while (const std::optional<int> item = co_await items.recv()) {
                        got.push_back(*item);
                        co_await yield();
                    }
                };
                const auto all = [&]() -> task<> {
                    co_await when_all(produce(0), produce(4));
                    items.close();
                };
                co_await when_all(all(), consume(), consume());
                expect(got.size() == 8, "an item is missing or there twice");
                expect(std::accumulate(got.begin(), got.end(), 0) == 28, "an item is not its own");
            },
            1000);
    }
}

TEST_CASE("select takes from one branch and leaves the other as it is") {
    holds([]() -> task<> {
        channel<int> a(1);
        channel<int> b(1);
        int received = 0;
        const auto receive = [&]() -> task<> {
            for (;;) {
                const auto got = co_await select(a.recv(), b.recv(), after(1s));
                if (got.index() == 2) {
                    co_return;
                }
                ++received;
            }
        };
        const auto send = [](channel<int>& to) -> task<> {
            for (int i = 0; i < 3; ++i) {
                (void)co_await to.send(i);
                co_await yield();
            }
        };
        co_await when_all(receive(), receive(), send(a), send(b));
        expect(received == 6, "an item was lost, or received twice");
    });
}

TEST_CASE("when_any gives one result and has joined the others in every order") {
    holds([]() -> task<> {
        int running = 0;
        const auto wait = [&](std::chrono::microseconds delay) -> task<int> {
            struct count {
                int& running;
                explicit count(int& r) : running(r) { ++running; }
                ~count() { --running; }
            } const counted(running);
            co_await sleep_for(delay);
            co_await yield();
            co_return static_cast<int>(delay.count());
        };
        const auto first = co_await when_any(wait(5us), wait(6us), wait(7us));
        expect(running == 0, "a loser runs on");
        const int value = first.value;
        expect(value == 5 + static_cast<int>(first.index), "the value is another's");
    });
}

TEST_CASE("when_all stops the siblings of a failure, and rethrows that one") {
    holds([]() -> task<> {
        bool stopped = false;
        const auto sleeper = [&]() -> task<> {
            try {
                co_await sleep_for(1h);
            } catch (const std::system_error& error) {
                stopped = error.code() == std::errc::operation_canceled;
                throw;
            }
        };
        const auto fails = []() -> task<> {
            co_await yield();
            throw std::runtime_error("first");
        };
        std::string said;
        try {
            co_await when_all(sleeper(), fails());
        } catch (const std::runtime_error& error) {
            said = error.what();
        }
        expect(said == "first", "another error came out");
        expect(stopped, "the sibling was not stopped");
    });
}

TEST_CASE("a shared task runs once, however many await it") {
    holds([]() -> task<> {
        int runs = 0;
        const auto compute = [&]() -> task<int> {
            ++runs;
            co_await sleep_for(10us);
            co_return 7;
        };
        const shared_task<int> shared = compute();
        const auto use = [&]() -> task<int> {
            co_await yield();
            const int& value = co_await shared;
            co_return value;
        };
        const auto [a, b, c] = co_await when_all(use(), use(), use());
        expect(runs == 1 && a == 7 && b == 7 && c == 7, "it ran again, or gave another value");
    });
}

TEST_CASE("events, latches and barriers let nobody through early and leave nobody behind") {
    holds([]() -> task<> {
        event go;
        latch done(3);
        barrier phase(3);
        int arrived = 0;
        const auto worker = [&]() -> task<> {
            co_await go.wait();
            ++arrived;
            co_await phase.arrive_and_wait();
            expect(arrived == 3, "somebody passed the barrier early");
            done.count_down();
        };
        const auto starter = [&]() -> task<> {
            co_await yield();
            expect(arrived == 0, "somebody passed the event early");
            go.set();
            co_await done.wait();
        };
        co_await when_all(worker(), worker(), worker(), starter());
    });
}

TEST_CASE("a condition variable's waiter sees what it waited for") {
    holds([]() -> task<> {
        mutex m;
        condition_variable changed;
        std::vector<int> queue;
        int taken = 0;
        const auto take = [&]() -> task<> {
            mutex::guard guard = co_await m.lock();
            const auto filled = [&] { return !queue.empty(); };
            co_await changed.wait(guard, filled);
            expect(!queue.empty(), "woken for nothing");
            queue.pop_back();
            ++taken;
        };
        const auto put = [&]() -> task<> {
            for (int i = 0; i < 3; ++i) {
                {
                    const mutex::guard guard = co_await m.lock();
                    queue.push_back(i);
                }
                changed.notify_one();
                co_await yield();
            }
        };
        co_await when_all(take(), take(), take(), put());
        expect(taken == 3, "somebody was not woken");
    });
}

TEST_CASE("readers share, writers do not, and both get their turn") {
    holds([]() -> task<> {
        shared_mutex m;
        int readers = 0;
        int writers = 0;
        int turns = 0;
        const auto read = [&]() -> task<> {
            const auto guard = co_await m.lock_shared();
            ++readers;
            expect(writers == 0, "a reader beside a writer");
            co_await sleep_for(5us);
            --readers;
            ++turns;
        };
        const auto write = [&]() -> task<> {
            const auto guard = co_await m.lock();
            expect(++writers == 1 && readers == 0, "a writer beside somebody");
            co_await sleep_for(5us);
            --writers;
            ++turns;
        };
        co_await when_all(read(), write(), read(), write(), read());
        expect(turns == 5, "somebody had no turn");
    });
}

TEST_CASE("a task group joins everybody on every way out") {
    holds([]() -> task<> {
        int running = 0;
        const auto child = [&](bool fails) -> task<> {
            ++running;
            const auto slept = co_await as_result(sleep_for(20us));
            --running;
            if (fails && slept) {
                throw std::runtime_error("a child's");
            }
        };
        bool thrown = false;
        try {
            const auto body = [&](task_group& group) -> task<> {
                group.spawn(child(false));
                group.spawn(child(true));
                group.spawn(child(false));
                co_await yield();
            };
            co_await with_task_group(body);
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        expect(thrown && running == 0, "somebody was left, or the error was");
    });
}

TEST_CASE("parallel_for_each handles each element once, and no more at a time than it may") {
    holds([]() -> task<> {
        std::array<int, 7> handled{};
        int running = 0;
        const auto handle = [&](int element) -> task<> {
            expect(++running <= 2, "too many at a time");
            co_await sleep_for(3us * element);
            --running;
            ++handled.at(static_cast<std::size_t>(element));
        };
        const std::array<int, 7> elements{0, 1, 2, 3, 4, 5, 6};
        co_await parallel_for_each(elements, 2, handle);
        for (const int each : handled) {
            expect(each == 1, "an element was left out, or handled twice");
        }
    });
}

TEST_CASE("a time limit that competes with the result gives one of the two, and nothing hangs") {
    std::size_t in_time = 0;
    std::size_t late = 0;
    holds([&]() -> task<> {
        const auto work = []() -> task<int> {
            co_await sleep_for(9us);
            co_await sleep_for(1us);
            co_return 1;
        };
        const auto ended = co_await as_result(with_timeout(11us, work()));
        expect(ended || ended.error() == std::errc::timed_out, "neither a result nor the limit");
        ++(ended ? in_time : late);
    });
    CHECK(in_time > 0);
    CHECK(late > 0);
}

TEST_CASE("a stop reaches every kind of waiting in every order") {
    holds([]() -> task<> {
        stop_source source;
        mutex m;
        const mutex::guard held = m.try_lock();
        semaphore none(0);
        event never;
        channel<int> silent(0);
        const stop_token token = source.get_token();
        const auto [a, b, c, d, e, f] =
            co_await when_all(was_stopped(token, none.acquire()), was_stopped(token, never.wait()),
                              was_stopped(token, silent.recv()), was_stopped(token, silent.send(1)),
                              was_stopped(token, sleep_for(1h)), after_a_while(source));
        // A receiver and a sender may have met before.
        expect(a && b && c == d && e, "somebody waited on");
    });
}

TEST_CASE("an async generator that is left early ends what it was waiting for") {
    holds([]() -> task<> {
        int closed = 0;
        const auto ticks = [&]() -> async_generator<int> {
            struct note {
                int& count;
                ~note() { ++count; }
            } const at_end{closed};
            for (int i = 0;; ++i) {
                co_await sleep_for(10us);
                co_yield i;
            }
        };
        {
            auto source = ticks();
            int sum = 0;
            for (auto it = co_await source.begin(); it != source.end(); co_await ++it) {
                sum += *it;
                if (sum > 5) {
                    break;
                }
            }
        }
        expect(closed == 1, "it was not closed");
    });
}

TEST_CASE("a strand runs one at a time in every order, also behind sleeps and locks") {
    holds([]() -> task<> {
        strand alone;
        mutex m;
        int inside = 0;
        int steps = 0;
        const auto job = [&]() -> task<> {
            for (int i = 0; i < 3; ++i) {
                expect(++inside == 1, "two run at once");
                --inside;
                ++steps;
                co_await sleep_for(5us);
                const mutex::guard guard = co_await m.lock();
                co_await yield();
                expect(alone.runs_here(), "it has left the strand");
            }
        };
        co_await when_all(run_on(alone, job()), run_on(alone, job()), run_on(alone, job()));
        expect(steps == 9, "a step is missing");
    });
}

TEST_CASE("a periodic timer does not drift, in virtual time too") {
    holds(
        []() -> task<> {
            const auto start = clock::now();
            periodic_timer every(50ms);
            std::uint64_t ticks = 0;
            while (ticks < 20) {
                ticks += co_await every.tick();
                co_await sleep_for(7ms);
            }
            const auto passed = clock::now() - start;
            expect(passed >= 50ms * 20 && passed < 50ms * 20 + 8ms, "it drifted");
        },
        300);
}

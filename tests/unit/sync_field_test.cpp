// SPDX-License-Identifier: MIT
// What the test suites of cppcoro (3912152) and libcoro (277467f) check of their synchronisation
// primitives, and where it is checked here. Below stands what the other files do not check.
//
// cppcoro
//   async_mutex: try_lock                      mutex_test: held by one guard at a time
//   async_mutex: multiple lockers              below (switched off there): one more joins the queue
//                                              while it is being handed down
//   manual reset event: initial states         event_test: set and reset any number of times
//   manual reset event: set and reset          the same
//   manual reset event: await not set          event_test: resumes all who wait in their order
//   manual reset event: await set              event_test: set and reset any number of times
//   auto reset event: single waiter            auto_event_test: each set() lets one through
//   auto reset event: multiple waiters         the same
//   auto reset event: multi-threaded           auto_event_test: a chain of tasks; below, many at once
//   single consumer event                      does not apply: there is no form for one consumer only
//   latch: zero, count down, by n              latch_test: opens when counted down to zero
//   latch: negative count is ready             does not apply: ends with a sentence, as it is a mistake
//   latch: one and several awaiters            latch_test: all go on when the last one has counted down
//
// libcoro
//   mutex: single waiter, scoped lock          mutex_test: held by one guard at a time
//   mutex: many waiters until an event         below
//   mutex: unlock before the scope's end       mutex_test: held by one guard at a time
//   mutex: lock without a guard                does not apply: lock() gives nothing but a guard
//   event: one and several awaiters, reset     event_test
//   event: first in, first out; one; none      event_test: resumes all who wait in their order
//   event: resumed on an executor              does not apply as a choice: always so, see below
//   latch: 0, 1, 5, five at once               latch_test: opens when counted down to zero
//   latch: counted down by more than is left   does not apply: ends with a sentence
//   latch: remaining()                         does not apply: as in std, there is no such question
//   semaphore: one permit, many waiters        semaphore_test: guards plain data; below
//   semaphore: release over the maximum        does not apply: permits are bounded by max() only
//   semaphore: try_acquire                     semaphore_test
//   semaphore: producers, consumers, shutdown  semaphore_test: plain threads release; to shut down is
//                                              to stop the tasks (with_stop_test)
//   semaphore: max(), value()                  below; value() does not apply: it is out of date at once
//   shared_mutex: one writer, one reader       shared_mutex_test: one writer or many readers
//   shared_mutex: with a scoped task           does not apply: a guard does that
//   shared_mutex: readers, writers interleaved shared_mutex_test: a writer gets its turn
//   condition_variable: wait, predicate,       condition_variable_test
//     notify_one, notify_all, 1 and 3 waiters
//   condition_variable: stop_token             condition_variable_test: gives up in every way
//   condition_variable: wait_for, wait_until   below, with with_timeout
//   condition_variable: notify on an executor  does not apply as a choice: always so, see below
#include <aloft/auto_event.hpp>
#include <aloft/condition_variable.hpp>
#include <aloft/event.hpp>
#include <aloft/mutex.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_timeout.hpp>

#include "helpers/scale.hpp"
#include "helpers/waiting.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using test_support::workers;

TEST_CASE("a task that joins a mutex's queue while it is handed down comes last") {
    runtime rt(workers(1));
    aloft::mutex m;
    aloft::event gates[4];
    std::vector<int> order;
    auto locks = [&](int number) -> task<> {
        const auto guard = co_await m.lock();
        co_await gates[number].wait();
        order.push_back(number);
    };
    auto parent = [&]() -> task<bool> {
        std::vector<aloft::join_handle<>> handles;
        for (int i = 0; i < 3; ++i) {
            handles.push_back(spawn(locks(i)));
            co_await testing::settle();
        }
        bool right = order.empty();
        gates[0].set();
        co_await testing::settle();
        right = right && order.size() == 1;
        handles.push_back(spawn(locks(3)));
        co_await testing::settle();
        for (std::size_t i = 1; i < 4; ++i) {
            gates[i].set();
            co_await testing::settle();
            right = right && order.size() == i + 1;
        }
        for (auto& each : handles) {
            co_await each;
        }
        co_return right;
    };
    CHECK(sync_wait(rt, parent()));
    CHECK(order == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("tasks wait for a mutex, and for a permit, that is held until an event is set") {
    runtime rt(workers(1));
    aloft::mutex m;
    aloft::semaphore permits(1);
    aloft::event e;
    std::atomic<int> entered{0};
    auto holds = [&]() -> task<> {
        const auto guard = co_await m.lock();
        co_await permits.acquire();
        co_await e.wait();
        permits.release();
    };
    auto enters = [&]() -> task<> {
        {
            const auto guard = co_await m.lock();
            entered.fetch_add(m.try_lock() ? 100 : 1);
        }
        co_await permits.acquire();
        entered.fetch_add(permits.try_acquire() ? 100 : 1);
        permits.release();
    };
    auto sets = [&]() -> task<> {
        entered.fetch_add(entered.load() == 0 ? 0 : 100);
        e.set();
        co_return;
    };
    sync_wait(rt, aloft::when_all(holds(), enters(), enters(), enters(), enters(), sets()));
    CHECK(entered.load() == 8);
    CHECK(m.try_lock());
    CHECK(permits.try_acquire());
}

TEST_CASE("many auto_events, each with a chain of waiters, at the same time") {
    runtime rt(workers(3));
    const std::size_t chains = testing::scaled(200);
    std::atomic<std::size_t> right{0};
    auto chain = [&]() -> task<> {
        aloft::auto_event e;
        int value = 0;
        auto waits = [&]() -> task<> {
            co_await e.wait();
            ++value;
            e.set();
        };
        auto begins = [&]() -> task<> {
            value = 5;
            e.set();
            co_return;
        };
        std::vector<task<>> tasks;
        tasks.push_back(begins());
        for (int i = 0; i < 100; ++i) {
            tasks.push_back(waits());
        }
        co_await aloft::when_all(std::move(tasks));
        right.fetch_add(value == 105 ? 1 : 0);
    };
    std::vector<task<>> tasks;
    for (std::size_t i = 0; i < chains; ++i) {
        tasks.push_back(chain());
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(right.load() == chains);
}

TEST_CASE("a waiter goes on on its own runtime, whoever wakes it") {
    runtime first(workers(1));
    runtime second(workers(1));
    aloft::event e;
    aloft::mutex m;
    aloft::condition_variable changed;
    std::atomic<int> wrong{0};
    std::atomic<int> waiting{0};
    auto waits = [&](runtime& mine) -> task<> {
        auto guard = co_await m.lock();
        waiting.fetch_add(1);
        co_await changed.wait(guard);
        wrong.fetch_add(&runtime::current() == &mine ? 0 : 1);
        guard.unlock();
        co_await e.wait();
        wrong.fetch_add(&runtime::current() == &mine ? 0 : 1);
    };
    std::vector<aloft::join_handle<>> handles;
    for (int i = 0; i < 4; ++i) {
        handles.push_back(spawn(first, waits(first)));
        handles.push_back(spawn(second, waits(second)));
    }
    test_support::wait_until([&] { return waiting.load() == 8 && m.try_lock().owns_lock(); });
    changed.notify_all(); // this thread is of no runtime
    e.set();
    for (auto& each : handles) {
        sync_wait(first, each);
    }
    CHECK(wrong.load() == 0);
}

TEST_CASE("a semaphore holds as many permits as max() says") {
    aloft::semaphore permits(aloft::semaphore::max());
    CHECK(permits.try_acquire());
    permits.release();
    CHECK(aloft::semaphore::max() == SIZE_MAX / 2);
}

TEST_CASE("waiting for a notification has a limit, with and without a predicate") {
    runtime rt(workers(1));
    aloft::mutex m;
    aloft::condition_variable changed;
    bool ready = false;
    auto limited = [&](bool with_predicate, std::chrono::milliseconds limit) -> task<bool> {
        auto guard = co_await m.lock();
        try {
            if (with_predicate) {
                co_await aloft::with_timeout(limit, changed.wait(guard, [&] { return ready; }));
            } else {
                co_await aloft::with_timeout(limit, changed.wait(guard));
            }
        } catch (const std::system_error& error) {
            co_return !(error.code() == std::errc::timed_out && guard);
        }
        co_return guard.owns_lock();
    };
    CHECK_FALSE(sync_wait(rt, limited(false, 1ms)));
    CHECK_FALSE(sync_wait(rt, limited(true, 1ms)));
    auto in_time = [&]() -> task<bool> {
        auto a = spawn(limited(false, 1h));
        auto b = spawn(limited(true, 1h));
        co_await testing::settle();
        {
            const auto guard = co_await m.lock();
            ready = true;
            changed.notify_all();
        }
        const bool first = co_await a;
        const bool second = co_await b;
        co_return first&& second;
    };
    CHECK(sync_wait(rt, in_time()));
    CHECK(m.try_lock());
}

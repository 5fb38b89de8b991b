// SPDX-License-Identifier: MIT
// condition_variable: no notification is missed, and the mutex is held again in any case.
#include <aloft/condition_variable.hpp>
#include <aloft/mutex.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/yield.hpp>

#include "helpers/child_process.hpp"
#include "helpers/races.hpp"
#include "helpers/scale.hpp"
#include "helpers/seed.hpp"
#include "helpers/waiting.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using aloft::condition_variable;
using aloft::mutex;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using test_support::workers;
using testing::end;

TEST_CASE("notify_one wakes the one that waits longest, notify_all the rest, each with the mutex") {
    runtime rt(workers(1));
    mutex m;
    condition_variable changed;
    std::vector<int> order;
    auto waits = [&](int number) -> task<> {
        auto guard = co_await m.lock();
        co_await changed.wait(guard);
        order.push_back(guard && !m.try_lock() ? number : -1);
        co_await aloft::yield();
    };
    auto parent = [&]() -> task<bool> {
        changed.notify_one(); // for nobody, and not remembered
        changed.notify_all();
        std::vector<aloft::join_handle<>> handles;
        for (int i = 0; i < 20; ++i) {
            handles.push_back(spawn(waits(i)));
            co_await testing::settle();
        }
        bool right = order.empty() && m.try_lock(); // all have given it up
        for (std::size_t i = 1; i <= 5; ++i) {
            changed.notify_one();
            co_await handles[i - 1];
            right = right && order.size() == i;
        }
        {
            const auto guard = co_await m.lock();
            changed.notify_all();
            co_await testing::settle();
            right = right && order.size() == 5; // they wait for the mutex now
        }
        for (std::size_t i = 5; i < handles.size(); ++i) {
            co_await handles[i];
        }
        co_return right;
    };
    CHECK(sync_wait(rt, parent()));
    std::vector<int> expected(20);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(order == expected);
    CHECK(m.try_lock());
}

TEST_CASE("a wait with a predicate ends when it holds, and not before") {
    runtime rt(workers(1));
    mutex m;
    condition_variable changed;
    int value = 0;
    int looked = 0;
    auto waits = [&]() -> task<> {
        auto guard = co_await m.lock();
        co_await changed.wait(guard, [&] {
            ++looked;
            return value == 3;
        });
        value = guard ? 10 : -1;
        co_await changed.wait(guard, [&] { return true; });
    };
    auto parent = [&]() -> task<bool> {
        auto waiter = spawn(waits());
        co_await testing::settle();
        bool right = true;
        for (int i = 1; i <= 3; ++i) {
            {
                const auto guard = co_await m.lock();
                right = right && value == i - 1;
                value = i;
            }
            if (i == 2) {
                changed.notify_one();
            } else {
                changed.notify_all();
            }
            co_await testing::settle();
        }
        co_await waiter;
        co_return right;
    };
    CHECK(sync_wait(rt, parent()));
    CHECK(value == 10);
    CHECK(looked == 4);
}

TEST_CASE("what a predicate throws comes out of the wait, which holds the mutex") {
    runtime rt(workers(1));
    mutex m;
    condition_variable changed;
    auto waits = [&]() -> task<bool> {
        auto guard = co_await m.lock();
        try {
            co_await changed.wait(guard, []() -> bool { throw std::out_of_range("predicate"); });
        } catch (const std::out_of_range&) {
            co_return guard && !m.try_lock();
        }
        co_return false;
    };
    CHECK(sync_wait(rt, waits()));
}

TEST_CASE("producers and consumers pass each item once through a bounded queue") {
    const std::uint64_t seed = testing::make_seed("producers and consumers");
    runtime rt(workers(4));
    mutex m;
    condition_variable not_empty;
    condition_variable not_full;
    std::deque<std::size_t> queue;
    const std::size_t each = testing::scaled(5'000);
    std::atomic<std::size_t> sum{0};
    std::atomic<std::size_t> taken{0};
    auto produces = [&](std::uint64_t number) -> task<> {
        testing::dice dice(seed + number);
        for (std::size_t i = 1; i <= each; ++i) {
            auto guard = co_await m.lock();
            co_await not_full.wait(guard, [&] { return queue.size() < 4; });
            queue.push_back(i);
            if (dice.below(2) == 0) {
                guard.unlock();
            }
            not_empty.notify_one();
        }
    };
    auto consumes = [&]() -> task<> {
        for (std::size_t i = 1; i <= each; ++i) {
            auto guard = co_await m.lock();
            co_await not_empty.wait(guard, [&] { return !queue.empty(); });
            sum.fetch_add(queue.front());
            taken.fetch_add(1);
            queue.pop_front();
            not_full.notify_one();
        }
    };
    std::vector<task<>> tasks;
    for (std::uint64_t i = 0; i < 4; ++i) {
        tasks.push_back(produces(i));
        tasks.push_back(consumes());
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(taken.load() == 4 * each);
    CHECK(sum.load() == 4 * (each * (each + 1) / 2));
    CHECK(queue.empty());
    CHECK(m.try_lock());
}

TEST_CASE("a plain thread that locks by trying notifies, and no notification is missed") {
    runtime rt(workers(2));
    mutex m;
    condition_variable changed;
    std::size_t value = 0;
    const std::size_t rounds = testing::scaled(20'000);
    std::atomic<std::size_t> seen{0};
    auto waits = [&]() -> task<> {
        for (std::size_t i = 1; i <= rounds; ++i) {
            auto guard = co_await m.lock();
            co_await changed.wait(guard, [&] { return value == i; });
            seen.store(i);
        }
    };
    std::thread other([&] {
        for (std::size_t i = 1; i <= rounds; ++i) {
            mutex::guard guard;
            test_support::wait_closely([&] {
                guard = m.try_lock();
                return guard.owns_lock();
            });
            value = i;
            guard.unlock();
            changed.notify_one();
            test_support::wait_closely([&] { return seen.load() == i; });
        }
    });
    sync_wait(rt, waits());
    other.join();
    CHECK(seen.load() == rounds);
}

namespace {

/// Waits with the mutex, and says in the end whether it holds it.
task<> wait_once(mutex& m, condition_variable& changed, std::atomic<int>* held_again = nullptr) {
    auto guard = co_await m.lock();
    try {
        co_await changed.wait(guard);
    } catch (const std::system_error&) {
        if (held_again != nullptr) {
            held_again->fetch_add(guard && !m.try_lock() ? 1 : 100);
        }
        throw;
    }
}

} // namespace

TEST_CASE("waiting for a notification gives up in every way, and the mutex is free in the end") {
    mutex m;
    condition_variable changed;
    std::atomic<int> held_again{0};
    testing::gives_up_in_every_way([&] { return wait_once(m, changed, &held_again); });
    // Not where frames are destroyed, nor where the task is stopped before it locks, as it may be by the
    // end of a runtime with two workers.
    CHECK(held_again.load() >= 2);
    CHECK(held_again.load() <= 4);
    CHECK(m.try_lock());
    changed.notify_all();
}

TEST_CASE("a waiter that is stopped waits for the mutex, and then throws") {
    runtime rt(workers(1));
    mutex m;
    condition_variable changed;
    std::atomic<int> held_again{0};
    std::atomic<int> begun{0};
    std::atomic<end> how{end::none};
    auto parent = [&]() -> task<bool> {
        aloft::stop_source source;
        auto make = [&] { return wait_once(m, changed, &held_again); };
        auto waiter =
            spawn(aloft::with_stop(source.get_token(), testing::record(make, begun, how)));
        co_await testing::settle();
        auto guard = co_await m.lock();
        source.request_stop();
        co_await testing::settle();
        const bool early = how.load() != end::none;
        guard.unlock();
        co_await waiter;
        co_return early;
    };
    CHECK_FALSE(sync_wait(rt, parent()));
    CHECK(how.load() == end::canceled);
    CHECK(held_again.load() == 1);
    CHECK(m.try_lock());
}

TEST_CASE(
    "a waiter that was notified before it was stopped returns, though it waits for the mutex") {
    runtime rt(workers(1));
    mutex m;
    condition_variable changed;
    std::atomic<int> begun{0};
    std::atomic<end> how{end::none};
    auto parent = [&]() -> task<> {
        aloft::stop_source source;
        auto make = [&] { return wait_once(m, changed); };
        auto waiter =
            spawn(aloft::with_stop(source.get_token(), testing::record(make, begun, how)));
        co_await testing::settle();
        auto guard = co_await m.lock();
        changed.notify_one();
        source.request_stop();
        guard.unlock();
        co_await waiter;
    };
    sync_wait(rt, parent());
    CHECK(how.load() == end::value);
    CHECK(m.try_lock());
}

TEST_CASE("the runtime's end does not stop one that was notified and waits for the mutex") {
    mutex m;
    condition_variable changed;
    std::atomic<int> begun{0};
    std::atomic<end> notified{end::none};
    std::atomic<end> other{end::none};
    std::optional<runtime> rt;
    rt.emplace(workers(1));
    spawn(*rt, testing::record([&] { return wait_once(m, changed); }, begun, notified)).detach();
    test_support::wait_until([&] { return begun.load() == 1; });
    sync_wait(*rt, testing::settle());
    mutex::guard held = m.try_lock();
    REQUIRE(held);
    spawn(*rt, testing::record([&] { return m.lock(); }, begun, other)).detach();
    test_support::wait_until([&] { return begun.load() == 2; });
    sync_wait(*rt, testing::settle());
    changed.notify_one();
    std::thread destroyer([&] { rt.reset(); });
    test_support::wait_until([&] { return other.load() != end::none; });
    CHECK(other.load() == end::canceled);
    CHECK(notified.load() == end::none);
    held.unlock();
    destroyer.join();
    CHECK(notified.load() == end::value);
    CHECK(m.try_lock());
}

TEST_CASE("a frame is destroyed while it waits for the mutex, notified") {
    runtime rt(workers(1));
    mutex m;
    condition_variable changed;
    std::atomic<bool> ended{false};
    auto parent = [&]() -> task<> {
        auto make = [&] { return wait_once(m, changed); };
        test_support::orphan frame = test_support::run_in_orphan(make, ended);
        const auto guard = co_await m.lock();
        changed.notify_one();
        frame.destroy();
    };
    sync_wait(rt, parent());
    CHECK_FALSE(ended.load());
    CHECK(m.try_lock());
}

TEST_CASE("a notification and a stop request race, and the mutex is free in the end") {
    mutex m;
    condition_variable changed;
    bool flag = false; // guarded by the mutex
    testing::races(
        "condition_variable against stop", 50'000,
        [&]() -> task<> {
            auto guard = co_await m.lock();
            co_await changed.wait(guard, [&] { return flag; });
        },
        [&] {
            mutex::guard guard;
            test_support::wait_closely([&] {
                guard = m.try_lock();
                return guard.owns_lock();
            });
            flag = true;
            guard.unlock();
            changed.notify_one();
        },
        [&](bool) {
            const auto guard = m.try_lock();
            const bool right = guard && flag;
            flag = false;
            return right;
        });
}

TEST_CASE("hidden: wait with an empty guard", "[.]") {
    testing::expect_death();
    runtime rt(workers(1));
    condition_variable changed;
    mutex::guard empty;
    auto waits = [&]() -> task<> { co_await changed.wait(empty); };
    sync_wait(rt, waits());
}

TEST_CASE("misuse of a condition_variable ends the program with a sentence") {
    CHECK(testing::dies_with(
        "hidden: wait with an empty guard",
        "aloft: a condition_variable was waited for with a guard that holds no mutex"));
}

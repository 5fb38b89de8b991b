// SPDX-License-Identifier: MIT
// The synchronisation primitives where every access to an atomic may be late: the windows between a
// word and a lock, and between a hand-over and the end of the call that handed over, become wide.
#define ALOFT_SMALL_QUEUES 1
#define ALOFT_MODEL <support/jittery_atomic.hpp>

#include <aloft/auto_event.hpp>
#include <aloft/condition_variable.hpp>
#include <aloft/event.hpp>
#include <aloft/latch.hpp>
#include <aloft/mutex.hpp>
#include <aloft/once.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>

#include "helpers/races.hpp"
#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using aloft::runtime;
using aloft::runtime_options;
using aloft::sync_wait;
using aloft::task;

namespace {

void shake(const char* test) {
    test_support::jitter_seed.store(testing::make_seed(test));
}

/// A plain thread does `tell` to what a task waits for with `wait` and destroys behind that.
template <class Primitive, class Make, class Tell, class Wait>
void destroyed_at_once(Make make, Tell tell, Wait wait) {
    runtime rt(runtime_options{}.threads(2));
    const std::size_t rounds = testing::scaled(20'000);
    std::atomic<Primitive*> current{nullptr};
    std::thread teller([&] {
        for (std::size_t i = 0; i < rounds; ++i) {
            Primitive* p = nullptr;
            test_support::wait_closely([&] {
                p = current.exchange(nullptr);
                return p != nullptr;
            });
            tell(*p);
        }
    });
    auto waits = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            const std::unique_ptr<Primitive> p = make();
            current.store(p.get());
            co_await wait(*p);
        }
    };
    sync_wait(rt, waits());
    teller.join();
}

} // namespace

TEST_CASE("what lets a task go on may be destroyed by it, while the call is still inside") {
    shake("what lets a task go on may be destroyed by it");
    destroyed_at_once<aloft::event>([] { return std::make_unique<aloft::event>(); },
                                    [](aloft::event& e) { e.set(); },
                                    [](aloft::event& e) { return e.wait(); });
    destroyed_at_once<aloft::latch>([] { return std::make_unique<aloft::latch>(1); },
                                    [](aloft::latch& l) { l.count_down(); },
                                    [](aloft::latch& l) { return l.wait(); });
    destroyed_at_once<aloft::auto_event>([] { return std::make_unique<aloft::auto_event>(); },
                                         [](aloft::auto_event& e) { e.set(); },
                                         [](aloft::auto_event& e) { return e.wait(); });
    destroyed_at_once<aloft::semaphore>([] { return std::make_unique<aloft::semaphore>(0); },
                                        [](aloft::semaphore& s) { s.release(); },
                                        [](aloft::semaphore& s) { return s.acquire(); });
}

TEST_CASE("whoever waited before may be gone when a set() comes, and the next one may destroy it") {
    // The bit of the one that gave up sends the set() to the lock, where it frees the way for a task
    // that does not need the lock.
    shake("whoever waited before may be gone");
    runtime rt(runtime_options{}.threads(2));
    const auto give_up = [&](auto make) {
        aloft::stop_source source;
        std::atomic<int> begun{0};
        std::atomic<testing::end> how{testing::end::none};
        auto waiter = aloft::spawn(
            rt, aloft::with_stop(source.get_token(), testing::record(make, begun, how)));
        test_support::wait_until([&] { return begun.load() == 1; });
        source.request_stop();
        sync_wait(rt, waiter);
    };
    const std::size_t rounds = testing::scaled(2'000);
    for (std::size_t i = 0; i < rounds; ++i) {
        auto e = std::make_unique<aloft::event>();
        give_up([&] { return e->wait(); });
        std::thread setter([raw = e.get()] { raw->set(); });
        test_support::wait_closely([&] { return e->is_set(); });
        e.reset();
        setter.join();
        auto s = std::make_unique<aloft::semaphore>(0);
        give_up([&] { return s->acquire(); });
        std::thread releaser([raw = s.get()] { raw->release(); });
        test_support::wait_closely([&] { return s->try_acquire(); });
        s.reset();
        releaser.join();
    }
}

TEST_CASE("mutex, condition_variable and auto_event lose nothing and let nobody in twice") {
    shake("mutex, condition_variable and auto_event");
    runtime rt(runtime_options{}.threads(3));
    const std::size_t rounds = testing::scaled(3'000);
    aloft::mutex m;
    aloft::condition_variable changed;
    aloft::auto_event turn(true);
    std::size_t turns = 0; // guarded by `turn`
    std::size_t item = 0;  // guarded by `m`; 0: none
    std::size_t sum = 0;
    auto produces = [&]() -> task<> {
        for (std::size_t i = 1; i <= rounds; ++i) {
            auto guard = co_await m.lock();
            co_await changed.wait(guard, [&] { return item == 0; });
            item = i;
            changed.notify_all();
        }
    };
    auto consumes = [&]() -> task<> {
        for (std::size_t i = 1; i <= rounds; ++i) {
            auto guard = co_await m.lock();
            co_await changed.wait(guard, [&] { return item != 0; });
            sum += std::exchange(item, 0);
            changed.notify_all();
        }
    };
    auto takes_turns = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            co_await turn.wait();
            ++turns;
            turn.set();
        }
    };
    std::vector<task<>> tasks;
    for (int i = 0; i < 2; ++i) {
        tasks.push_back(produces());
        tasks.push_back(consumes());
        tasks.push_back(takes_turns());
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(sum == rounds * (rounds + 1));
    CHECK(turns == 2 * rounds);
    CHECK(m.try_lock());
    CHECK(turn.try_wait());
}

TEST_CASE("hand-overs and stop requests race, and each is counted once") {
    shake("hand-overs and stop requests race");
    aloft::mutex m;
    aloft::mutex::guard held = m.try_lock();
    testing::races(
        "mutex", 10'000, [&] { return m.lock(); }, [&] { held.unlock(); },
        [&](bool) {
            held = m.try_lock();
            return held.owns_lock();
        });
    aloft::auto_event e;
    testing::races(
        "auto_event", 10'000, [&] { return e.wait(); }, [&] { e.set(); },
        [&](bool got) { return e.try_wait() != got; });
    aloft::semaphore permits(0);
    testing::races(
        "semaphore", 10'000, [&] { return permits.acquire(); }, [&] { permits.release(); },
        [&](bool got) { return permits.try_acquire() != got; });
}

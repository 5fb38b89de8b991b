// SPDX-License-Identifier: MIT
// shared_mutex: readers together, writers alone, in the order of their coming.
#include <aloft/runtime.hpp>
#include <aloft/shared_mutex.hpp>
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

#include <support/orphan.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using aloft::runtime;
using aloft::shared_mutex;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::yield;
using test_support::workers;
using testing::end;

TEST_CASE("a shared_mutex is held by one writer or by many readers") {
    shared_mutex m;
    {
        const auto writer = m.try_lock();
        CHECK(writer);
        CHECK_FALSE(m.try_lock());
        CHECK_FALSE(m.try_lock_shared());
    }
    {
        auto one = m.try_lock_shared();
        auto two = m.try_lock_shared();
        CHECK(one);
        CHECK(two);
        CHECK_FALSE(m.try_lock());
        one.unlock();
        CHECK_FALSE(one);
        CHECK_FALSE(m.try_lock());
        shared_mutex::shared_guard moved = std::move(two);
        CHECK(moved.owns_lock());
        moved = shared_mutex::shared_guard();
        CHECK(m.try_lock());
    }
    auto both = [&]() -> task<bool> {
        {
            const auto writer = co_await m.lock();
        }
        const auto one = co_await m.lock_shared();
        const auto two = co_await m.lock_shared();
        co_return one.owns_lock() && two.owns_lock() && !m.try_lock();
    };
    CHECK(sync_wait(both()));
    CHECK(m.try_lock());
}

namespace {

task<> writes(shared_mutex& m, std::string& log, char name) {
    const auto guard = co_await m.lock();
    log += name;
    co_await testing::settle();
    log += name;
}

task<> reads(shared_mutex& m, std::string& log, char name) {
    const auto guard = co_await m.lock_shared();
    log += name;
    co_await testing::settle();
    log += name;
}

} // namespace

TEST_CASE("writers and groups of readers take turns in the order of their coming") {
    runtime rt(workers(1));
    shared_mutex m;
    std::string log;
    auto parent = [&]() -> task<> {
        auto held = co_await m.lock();
        std::vector<aloft::join_handle<>> handles;
        for (const char each : std::string("abWcdeXYf")) {
            handles.push_back(each >= 'a' ? spawn(reads(m, log, each))
                                          : spawn(writes(m, log, each)));
            co_await testing::settle();
        }
        held.unlock();
        for (auto& each : handles) {
            co_await each;
        }
    };
    sync_wait(rt, parent());
    CHECK(log == "ababWWcdecdeXXYYff");
    CHECK(m.try_lock());
}

TEST_CASE("no reader joins those inside while a writer waits, and the writer gets its turn") {
    runtime rt(workers(1));
    shared_mutex m;
    std::string log;
    auto parent = [&]() -> task<bool> {
        auto held = co_await m.lock_shared();
        auto writer = spawn(writes(m, log, 'W'));
        co_await testing::settle();
        auto reader = spawn(reads(m, log, 'r'));
        co_await testing::settle();
        const bool waits = log.empty() && !m.try_lock_shared() && !m.try_lock();
        held.unlock();
        const bool barged_in = m.try_lock() || m.try_lock_shared();
        co_await aloft::when_all(std::move(writer), std::move(reader));
        co_return waits && !barged_in;
    };
    CHECK(sync_wait(rt, parent()));
    CHECK(log == "WWrr");
}

TEST_CASE("a writer that gives up lets the readers in that stood behind it") {
    runtime rt(workers(1));
    shared_mutex m;
    std::string log;
    auto stopped = [&]() -> task<bool> {
        auto held = co_await m.lock_shared();
        aloft::stop_source source;
        std::atomic<int> begun{0};
        std::atomic<end> how{end::none};
        auto make = [&] { return m.lock(); };
        auto writer =
            spawn(aloft::with_stop(source.get_token(), testing::record(make, begun, how)));
        co_await testing::settle();
        auto one = spawn(reads(m, log, 'a'));
        auto two = spawn(reads(m, log, 'b'));
        co_await testing::settle();
        const bool waited = log.empty();
        source.request_stop();
        co_await writer;
        co_await aloft::when_all(std::move(one), std::move(two)); // while `held` is held
        const bool joins = m.try_lock_shared().owns_lock();
        co_return waited&& joins&& how.load() == end::canceled&& held.owns_lock();
    };
    CHECK(sync_wait(rt, stopped()));
    CHECK(log.size() == 4);
    CHECK(m.try_lock());

    std::atomic<bool> ended{false};
    auto destroyed = [&]() -> task<bool> {
        auto held = co_await m.lock_shared();
        auto make = [&] { return m.lock(); };
        test_support::orphan writer = test_support::run_in_orphan(make, ended);
        auto one = spawn(reads(m, log, 'c'));
        co_await testing::settle();
        const bool waited = log.size() == 4;
        writer.destroy();
        co_await one;
        co_return waited&& held.owns_lock();
    };
    CHECK(sync_wait(rt, destroyed()));
    CHECK_FALSE(ended.load());
    CHECK(log.size() == 6);
    CHECK(m.try_lock());
}

TEST_CASE("readers come where all who waited for a reader's end have given up") {
    runtime rt(workers(1));
    shared_mutex m;
    auto held = m.try_lock_shared();
    CHECK(testing::stopped_later(rt, [&] { return m.lock(); }) == end::canceled);
    CHECK(m.try_lock_shared()); // nobody waits any more
    CHECK(testing::stopped_later(rt, [&] { return m.lock(); }) == end::canceled);
    auto reads_now = [&]() -> task<bool> { co_return (co_await m.lock_shared()).owns_lock(); };
    CHECK(sync_wait(rt, reads_now()));
    CHECK(testing::stopped_later(rt, [&] { return m.lock(); }) == end::canceled);
    held.unlock();
    CHECK(m.try_lock());
}

TEST_CASE(
    "a shared_mutex guards plain data of readers and writers on many threads, stopped or not") {
    const std::uint64_t seed = testing::make_seed("a shared_mutex guards plain data");
    runtime rt(workers(4));
    shared_mutex m;
    std::size_t plain = 0; // the thread sanitizer sees every access that is not ordered
    std::size_t twin = 0;
    std::atomic<std::size_t> written{0};
    std::atomic<std::size_t> read{0};
    std::atomic<std::size_t> wrong{0};
    std::atomic<std::size_t> canceled{0};
    const std::size_t rounds = testing::scaled(4'000);
    auto write = [&]() -> task<> {
        const auto guard = co_await m.lock();
        ++plain;
        written.fetch_add(1);
        co_await yield();
        ++twin;
    };
    auto look = [&]() -> task<> {
        const auto guard = co_await m.lock_shared();
        const std::size_t before = plain;
        co_await yield();
        wrong.fetch_add(before == plain && plain == twin ? 0 : 1);
        read.fetch_add(1);
    };
    auto stops = [](aloft::stop_source& source, std::size_t turns) -> task<> {
        for (; turns > 0; --turns) {
            co_await yield();
        }
        source.request_stop();
    };
    auto visits = [&](std::uint64_t number) -> task<> {
        testing::dice dice(seed + number);
        for (std::size_t i = 0; i < rounds; ++i) {
            aloft::stop_source source;
            std::atomic<int> begun{0};
            std::atomic<end> how{end::none};
            auto task_of = [&, writes_now = dice.below(3) == 0]() -> task<> {
                return writes_now ? write() : look();
            };
            co_await aloft::when_all(
                aloft::with_stop(source.get_token(), testing::record(task_of, begun, how)),
                stops(source, dice.below(20)));
            canceled.fetch_add(how.load() == end::canceled ? 1 : 0);
            if (dice.below(8) == 0) {
                const auto guard = m.try_lock_shared();
                wrong.fetch_add(!guard || plain == twin ? 0 : 1);
            }
        }
    };
    std::vector<task<>> tasks;
    for (std::uint64_t i = 0; i < 8; ++i) {
        tasks.push_back(visits(i));
    }
    sync_wait(rt, aloft::when_all(std::move(tasks)));
    CHECK(wrong.load() == 0);
    CHECK(plain == written.load());
    CHECK(twin == plain);
    CHECK(written.load() + read.load() + canceled.load() == 8 * rounds);
    CHECK(m.try_lock());
}

TEST_CASE("a writer gets its turn while readers come without end") {
    runtime rt(workers(2));
    shared_mutex m;
    std::atomic<bool> written{false};
    auto keep_reading = [&]() -> task<> {
        while (!written.load()) {
            const auto guard = co_await m.lock_shared();
            co_await yield();
        }
    };
    auto write = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            const auto guard = co_await m.lock();
        }
        written.store(true);
    };
    sync_wait(rt, aloft::when_all(keep_reading(), keep_reading(), keep_reading(), write()));
    CHECK(m.try_lock());
}

TEST_CASE("waiting for a shared_mutex gives up in every way, and leaves it as it was") {
    shared_mutex m;
    auto writer = m.try_lock();
    testing::gives_up_in_every_way([&] { return m.lock(); });
    testing::gives_up_in_every_way([&] { return m.lock_shared(); });
    writer.unlock();
    auto reader = m.try_lock_shared();
    CHECK(reader);
    testing::gives_up_in_every_way([&] { return m.lock(); });
    reader.unlock();
    runtime rt(workers(1));
    CHECK(testing::stopped_before(rt, [&] { return m.lock(); }) == end::canceled);
    CHECK(testing::stopped_before(rt, [&] { return m.lock_shared(); }) == end::canceled);
    CHECK(m.try_lock());
}

TEST_CASE("hand-overs and stop requests race, and the shared_mutex is never lost") {
    shared_mutex m;
    auto held = m.try_lock();
    testing::races(
        "writer against stop", 50'000, [&] { return m.lock(); }, [&] { held.unlock(); },
        [&](bool) {
            held = m.try_lock();
            return held.owns_lock();
        });
    testing::races(
        "reader against stop", 50'000, [&] { return m.lock_shared(); }, [&] { held.unlock(); },
        [&](bool) {
            held = m.try_lock();
            return held.owns_lock();
        });
    held.unlock();
    auto reader = m.try_lock_shared();
    testing::races(
        "writer behind a reader against stop", 50'000, [&] { return m.lock(); },
        [&] { reader.unlock(); },
        [&](bool) {
            const bool free = m.try_lock().owns_lock();
            reader = m.try_lock_shared();
            return free && reader.owns_lock();
        });
}

TEST_CASE("whoever locks a shared_mutex last may destroy it, while the one before still unlocks") {
    struct shared {
        shared_mutex m;
        std::atomic<int> readers{2};
        int writers = 1;
    };
    runtime rt(workers(3));
    std::atomic<std::size_t> destroyed{0};
    const std::size_t rounds = testing::scaled(10'000);
    auto looks = [](shared* s) -> task<> {
        const auto guard = co_await s->m.lock_shared();
        s->readers.fetch_sub(1);
    };
    auto removes = [&](shared* s) -> task<> {
        for (;;) {
            auto guard = co_await s->m.lock();
            if (s->readers.load() == 0) { // they are unlocking, or have unlocked
                guard.unlock();
                break;
            }
            guard.unlock();
            co_await yield();
        }
        delete s;
        destroyed.fetch_add(1);
    };
    auto parent = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            auto* const s = new shared;
            co_await aloft::when_all(looks(s), looks(s), removes(s));
        }
    };
    sync_wait(rt, parent());
    CHECK(destroyed.load() == rounds);
}

TEST_CASE("hidden: unlock a shared guard twice", "[.]") {
    testing::expect_death();
    shared_mutex m;
    auto guard = m.try_lock_shared();
    guard.unlock();
    guard.unlock();
}

TEST_CASE("hidden: destroy a shared_mutex that is read", "[.]") {
    testing::expect_death();
    shared_mutex::shared_guard guard;
    shared_mutex m;
    guard = m.try_lock_shared();
}

TEST_CASE("misuse of a shared_mutex ends the program with a sentence") {
    CHECK(testing::dies_with("hidden: unlock a shared guard twice",
                             "aloft: a guard was unlocked that holds no mutex"));
    CHECK(testing::dies_with("hidden: destroy a shared_mutex that is read",
                             "aloft: a shared_mutex was destroyed while it was locked"));
}

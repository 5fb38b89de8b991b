// SPDX-License-Identifier: MIT
// The wheel of deadlines against a simple model, and its behaviour at shutdown.
#include <aloft/detail/reactor/timers.hpp>

#include <support/hang_guard.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace {

using aloft::detail::clock_ns;
using aloft::detail::no_deadline;
using aloft::detail::timer;
using aloft::detail::timer_phase;
using aloft::detail::timers;
using aloft::detail::work_list;
using aloft::detail::work_node;

[[nodiscard]] std::vector<timer*> taken_from(work_list& list) {
    std::vector<timer*> taken;
    while (work_node* const node = list.pop()) {
        taken.push_back(static_cast<timer*>(node));
    }
    return taken;
}

void run_against_model(unsigned seed, clock_ns range) {
    INFO("seed " << seed << ", deadlines below " << range);
    std::mt19937_64 random(seed);
    std::uniform_int_distribution<clock_ns> any_deadline(1, range);
    std::vector<std::unique_ptr<timer>> idle;
    for (int i = 0; i < 500; ++i) {
        idle.push_back(std::make_unique<timer>());
    }
    std::multimap<clock_ns, std::unique_ptr<timer>> model;
    timers wheel;
    clock_ns now = 0;
    std::size_t added = 0;
    std::size_t removed = 0;
    std::size_t fired = 0;
    for (int step = 0; step < 20'000; ++step) {
        const unsigned choice = static_cast<unsigned>(random() % 100);
        if (choice < 50 && !idle.empty()) {
            std::unique_ptr<timer> t = std::move(idle.back());
            idle.pop_back();
            t->deadline = now + any_deadline(random);
            REQUIRE(wheel.add(*t));
            const clock_ns deadline = t->deadline;
            model.emplace(deadline, std::move(t));
            ++added;
        } else if (choice < 75 && !model.empty()) {
            auto at =
                std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
            REQUIRE(wheel.remove(*at->second));
            REQUIRE_FALSE(wheel.remove(*at->second));
            idle.push_back(std::move(at->second));
            model.erase(at);
            ++removed;
        } else {
            now += static_cast<clock_ns>(random() % static_cast<std::uint64_t>(range / 4 + 1));
            const std::size_t most = random() % 8;
            work_list due;
            wheel.collect(now, due, most);
            const std::vector<timer*> taken = taken_from(due);
            const auto end = model.upper_bound(now);
            const auto expected = static_cast<std::size_t>(std::distance(model.begin(), end));
            REQUIRE(taken.size() == std::min(expected, most));
            for (timer* const t : taken) {
                REQUIRE(t->phase == timer_phase::fired);
                // In order, to the tick.
                REQUIRE(t->deadline / 1024 == model.begin()->first / 1024);
                const auto [first, last] = model.equal_range(t->deadline);
                const auto at = std::find_if(
                    first, last, [t](const auto& entry) { return entry.second.get() == t; });
                REQUIRE(at != last);
                REQUIRE_FALSE(wheel.remove(*t));
                idle.push_back(std::move(at->second));
                model.erase(at);
                ++fired;
            }
        }
        // Not later than the earliest; removals may leave it too early.
        REQUIRE(wheel.next() <= (model.empty() ? no_deadline : model.begin()->first));
        REQUIRE(wheel.empty() == model.empty());
    }
    REQUIRE(added == removed + fired + model.size());
    work_list refused;
    wheel.refuse_all(refused);
    REQUIRE(refused.size() == model.size());
    REQUIRE(wheel.empty());
}

} // namespace

TEST_CASE("random additions, removals and collections agree with a sorted multimap") {
    const unsigned seed = std::random_device{}();
    for (unsigned i = 0; i < 4; ++i) {
        run_against_model(seed + i, 1'000'000);
        run_against_model(seed + i, 20); // many equal deadlines
        run_against_model(seed + i, 3'600'000'000'000);
    }
}

TEST_CASE("collecting is bounded by the number that is asked for and leaves the rest due") {
    std::vector<timer> all(1000);
    timers wheel;
    for (timer& t : all) {
        t.deadline = 5;
        REQUIRE(wheel.add(t));
    }
    std::set<timer*> seen;
    std::size_t rounds = 0;
    while (!wheel.empty()) {
        work_list due;
        wheel.collect(5, due, 300);
        for (timer* const t : taken_from(due)) {
            REQUIRE(seen.insert(t).second);
        }
        ++rounds;
    }
    REQUIRE(seen.size() == all.size());
    REQUIRE(rounds == 4);
}

TEST_CASE("collecting none takes none") {
    timer t;
    t.deadline = 1;
    timers wheel;
    REQUIRE(wheel.add(t));
    work_list due;
    wheel.collect(10, due, 0);
    REQUIRE(due.empty());
    REQUIRE(wheel.next() == 1);
    REQUIRE(wheel.remove(t));
}

TEST_CASE("a timer is never collected before its deadline") {
    timer t;
    t.deadline = 100;
    timers wheel;
    REQUIRE(wheel.add(t));
    work_list due;
    wheel.collect(99, due);
    REQUIRE(due.empty());
    wheel.collect(100, due);
    REQUIRE(due.size() == 1);
    REQUIRE(wheel.empty());
}

TEST_CASE("refusing hands out every timer and lets no other one in") {
    std::vector<timer> all(100);
    timers wheel;
    for (timer& t : all) {
        t.deadline = 1000;
        REQUIRE(wheel.add(t));
    }
    work_list refused;
    wheel.refuse_all(refused);
    const std::vector<timer*> taken = taken_from(refused);
    REQUIRE(std::set<timer*>(taken.begin(), taken.end()).size() == all.size());
    for (const timer& t : all) {
        REQUIRE(t.phase == timer_phase::refused);
    }
    timer late;
    late.deadline = 1;
    REQUIRE_FALSE(wheel.add(late));
    REQUIRE(late.phase == timer_phase::refused);
    REQUIRE_FALSE(wheel.remove(late));
    REQUIRE(wheel.empty());
    wheel.refuse_all(refused);
    REQUIRE(refused.empty());
}

TEST_CASE("a timer that was removed can be added again") {
    timer t;
    timers wheel;
    for (clock_ns deadline = 1; deadline < 100; ++deadline) {
        t.deadline = deadline;
        REQUIRE(wheel.add(t));
        REQUIRE(wheel.next() == deadline);
        REQUIRE(wheel.remove(t));
        REQUIRE(wheel.empty());
    }
}

TEST_CASE("two collectors and a remover share the timers without losing or doubling one") {
    constexpr std::size_t count = 20'000;
    std::vector<timer> all(count);
    std::vector<std::atomic<int>> ends(count);
    timers wheel;
    std::atomic<std::size_t> added{0};
    std::atomic<bool> complete{false};
    const auto collect_once = [&](std::size_t most) {
        work_list due;
        wheel.collect(1'000'000, due, most);
        for (timer* const t : taken_from(due)) {
            ends[static_cast<std::size_t>(t - all.data())].fetch_add(1);
        }
    };
    const auto collect = [&] {
        while (!complete.load()) {
            collect_once(16);
        }
    };
    std::thread first(collect);
    std::thread second(collect);
    std::thread remover([&] {
        std::mt19937 random(42);
        while (!complete.load()) {
            const std::size_t so_far = added.load();
            if (so_far == 0) {
                continue;
            }
            const std::size_t i = random() % so_far;
            if (wheel.remove(all[i])) {
                ends[i].fetch_add(1);
            }
        }
    });
    for (std::size_t i = 0; i < count; ++i) {
        all[i].deadline = static_cast<clock_ns>(i * 7919 % count) + 1;
        REQUIRE(wheel.add(all[i]));
        added.store(i + 1);
    }
    complete.store(true);
    first.join();
    second.join();
    remover.join();
    collect_once(
        count); // alone: a collector gives way to whoever has the lock, so some may be left
    REQUIRE(wheel.empty());
    REQUIRE(std::all_of(ends.begin(), ends.end(), [](const auto& n) { return n.load() == 1; }));
}

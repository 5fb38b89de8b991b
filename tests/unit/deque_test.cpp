// SPDX-License-Identifier: MIT
// The deque of a worker: the owner's end is a stack, the thieves' end a queue, and no item is lost
// or taken twice.
#define ALOFT_SMALL_QUEUES 1 // a few entries only: full, empty and coming round are the normal case

#include <aloft/detail/base/deque.hpp>

#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

using aloft::detail::deque;
using aloft::detail::deque_capacity;
using aloft::detail::work_node;

namespace {

struct item : work_node {
    long payload = 0; // plain: the thread sanitizer sees it if an item is not handed over properly
    std::atomic<int> taken{0};
};

void take(work_node* node) {
    auto& taken = static_cast<item&>(*node);
    ++taken.payload;
    taken.taken.fetch_add(1, std::memory_order_relaxed);
}

[[nodiscard]] bool each_once(const std::vector<item>& items) {
    return std::all_of(items.begin(), items.end(),
                       [](const item& each) { return each.taken.load() == 1; });
}

/// One owner pushes all items and pops some of them, the others steal; random pauses.
void contend(std::uint64_t seed, std::size_t count, std::size_t thieves, std::size_t pop_one_in) {
    deque queue;
    std::vector<item> items(count);
    std::atomic<bool> over{false};
    std::atomic<std::size_t> stolen{0};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < thieves; ++t) {
        threads.emplace_back([&, t] {
            testing::dice dice(seed + 1 + t);
            for (;;) {
                const bool last_look = over.load(std::memory_order_acquire);
                if (work_node* const node = queue.steal()) {
                    take(node);
                    stolen.fetch_add(1, std::memory_order_relaxed);
                } else if (last_look && queue.empty()) {
                    return;
                }
                dice.maybe_yield(16);
            }
        });
    }
    testing::dice dice(seed);
    std::size_t popped = 0;
    auto pop = [&] {
        if (work_node* const node = queue.pop()) {
            take(node);
            ++popped;
        }
    };
    for (item& each : items) {
        each.payload = 1; // written before the push: whoever takes the item must see it
        while (!queue.push(each)) {
            if (dice.below(2) == 0) {
                dice.maybe_yield(2);
            } else {
                pop();
            }
        }
        if (dice.below(pop_one_in) == 0) {
            pop();
        }
        dice.maybe_yield(64);
    }
    while (!queue.empty()) {
        pop();
    }
    over.store(true, std::memory_order_release);
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(popped + stolen.load() == count);
    CHECK(each_once(items));
    CHECK(std::all_of(items.begin(), items.end(),
                      [](const item& each) { return each.payload == 2; }));
}

} // namespace

TEST_CASE("the owner pops what it pushed last") {
    deque queue;
    item a;
    item b;
    item c;
    CHECK(queue.empty());
    CHECK(queue.pop() == nullptr);
    CHECK(queue.push(a));
    CHECK(queue.push(b));
    CHECK_FALSE(queue.empty());
    CHECK(queue.pop() == &b);
    CHECK(queue.push(c));
    CHECK(queue.pop() == &c);
    CHECK(queue.pop() == &a);
    CHECK(queue.pop() == nullptr);
    CHECK(queue.empty());
}

TEST_CASE("thieves take what was pushed first") {
    deque queue;
    std::vector<item> items(3);
    CHECK(queue.steal() == nullptr);
    for (item& each : items) {
        CHECK(queue.push(each));
    }
    CHECK(queue.steal() == &items[0]);
    CHECK(queue.pop() == &items[2]);
    CHECK(queue.steal() == &items[1]);
    CHECK(queue.steal() == nullptr);
    CHECK(queue.pop() == nullptr);
}

TEST_CASE("a full deque refuses, and takes again when there is room") {
    deque queue;
    std::vector<item> items(deque_capacity + 1);
    for (std::size_t i = 0; i < deque_capacity; ++i) {
        CHECK(queue.push(items[i]));
    }
    CHECK_FALSE(queue.push(items.back()));
    CHECK(queue.steal() == &items[0]);
    CHECK(queue.push(items.back()));
    CHECK_FALSE(queue.push(items[0]));
    CHECK(queue.pop() == &items.back());
}

TEST_CASE("items that are pushed together are all there, or none of them where there is no room") {
    deque queue;
    std::vector<item> items(deque_capacity + 1);
    std::size_t given = 0;
    const auto next = [&]() -> work_node& { return items[given++]; };
    CHECK(queue.push_all(0, nullptr, next));
    CHECK(queue.empty());
    CHECK_FALSE(queue.push_all(deque_capacity + 1, nullptr, next));
    CHECK(given == 0);
    CHECK(queue.push_all(deque_capacity, nullptr, next));
    CHECK(given == deque_capacity);
    CHECK_FALSE(queue.push_all(1, nullptr, next));
    CHECK(queue.steal() == &items[0]);
    CHECK_FALSE(queue.push_all(2, nullptr, next));
    CHECK(queue.push_all(1, nullptr, next));
    for (std::size_t i = deque_capacity; i > 0; --i) {
        CHECK(queue.pop() == &items[i]);
    }
    CHECK(queue.pop() == nullptr);
}

TEST_CASE("the owner pops what it pushed last only if it has the tag that it asks for") {
    deque queue;
    item first;
    item second;
    item third;
    const auto no_fence = [] {};
    std::vector<item*> given{&second, &third};
    auto next = [&, at = std::size_t{0}]() mutable -> work_node& { return *given[at++]; };
    REQUIRE(queue.push(first, &first));
    REQUIRE(queue.push_all(2, &given, next));
    CHECK(queue.pop_tagged(&first, no_fence) == nullptr);
    CHECK(queue.pop_tagged(&given, no_fence) == &third);
    CHECK(queue.pop_tagged(&given, no_fence) == &second);
    CHECK(queue.pop_tagged(&given, no_fence) == nullptr);
    CHECK(queue.pop_tagged(&first, no_fence) == &first);
    CHECK(queue.pop_tagged(&first, no_fence) == nullptr);
}

TEST_CASE("the owner can tell whether enough items are left behind the thieves") {
    deque queue;
    std::vector<item> items(deque_capacity);
    CHECK_FALSE(queue.has_at_least(1));
    for (item& each : items) {
        CHECK(queue.push(each));
    }
    CHECK(queue.has_at_least(deque_capacity));
    CHECK_FALSE(queue.has_at_least(deque_capacity + 1));
    CHECK(queue.steal() == &items[0]);
    CHECK_FALSE(queue.has_at_least(deque_capacity));
    CHECK(queue.has_at_least(deque_capacity - 1));
    CHECK(queue.push(items[0])); // where the stolen one was
    CHECK(queue.has_at_least(deque_capacity));
    CHECK(queue.pop() == &items[0]);
    CHECK_FALSE(queue.has_at_least(deque_capacity));
}

TEST_CASE("the deque keeps its order while its indexes come round many times") {
    deque queue;
    std::vector<item> items(3);
    for (int round = 0; round < 1000; ++round) {
        for (item& each : items) {
            REQUIRE(queue.push(each));
        }
        for (item& each : items) {
            REQUIRE(queue.steal() == &each);
        }
        for (item& each : items) {
            REQUIRE(queue.push(each));
        }
        for (std::size_t i = items.size(); i-- > 0;) {
            REQUIRE(queue.pop() == &items[i]);
        }
    }
}

TEST_CASE("a thief and the owner never both get the last item") {
    const std::uint64_t seed = testing::make_seed("the last item");
    const std::size_t rounds = testing::scaled(300'000);
    deque queue;
    std::vector<item> items(rounds);
    std::atomic<std::size_t> pushed{0};
    std::atomic<bool> over{false};
    std::size_t stolen = 0;
    std::thread thief([&] {
        testing::dice dice(seed);
        while (!over.load(std::memory_order_acquire) || !queue.empty()) {
            if (work_node* const node = queue.steal()) {
                take(node);
                ++stolen;
            }
            dice.maybe_yield(256);
        }
    });
    testing::dice dice(seed + 1);
    std::size_t popped = 0;
    for (item& each : items) {
        each.payload = 1;
        // There is never more than one item: every pop races for the last one.
        while (!queue.push(each)) {
        }
        pushed.fetch_add(1, std::memory_order_relaxed);
        dice.maybe_yield(64);
        if (work_node* const node = queue.pop()) {
            take(node);
            ++popped;
        }
    }
    over.store(true, std::memory_order_release);
    thief.join();
    CHECK(popped + stolen == rounds);
    CHECK(each_once(items));
}

TEST_CASE("one owner and several thieves take each item exactly once") {
    const std::uint64_t seed = testing::make_seed("owner and thieves");
    for (const std::size_t thieves : {1u, 2u, 4u}) {
        for (const std::size_t pop_one_in : {1u, 2u, 8u}) {
            contend(seed + thieves * 100 + pop_one_in, testing::scaled(100'000), thieves,
                    pop_one_in);
        }
    }
}

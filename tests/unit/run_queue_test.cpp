// SPDX-License-Identifier: MIT
// The run queue of a worker: first in, first out; thieves take half; no item is lost or taken
// twice.
#define ALOFT_SMALL_QUEUES 1 // a few entries only: full, empty and coming round are the normal case

#include <aloft/detail/base/run_queue.hpp>
#include <aloft/detail/reactor/process_fence.hpp>
#include <aloft/detail/runtime/idle.hpp>
#include <aloft/detail/runtime/inject.hpp>

#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using aloft::detail::idle_word;
using aloft::detail::idle_workers;
using aloft::detail::inject_queue;
using aloft::detail::run_queue;
using aloft::detail::run_queue_capacity;
using aloft::detail::work_list;
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
    return std::all_of(items.begin(), items.end(), [](const item& each) {
        return each.taken.load() == 1 && each.payload == 2;
    });
}

} // namespace

// ---- the run queue ----

TEST_CASE("items come out in the order in which they were pushed") {
    run_queue queue;
    std::vector<item> items(3);
    CHECK(queue.empty());
    CHECK(queue.pop() == nullptr);
    for (item& each : items) {
        CHECK(queue.push(each));
    }
    CHECK_FALSE(queue.empty());
    for (item& each : items) {
        CHECK(queue.pop() == &each);
    }
    CHECK(queue.pop() == nullptr);
}

TEST_CASE("a full run queue refuses, and takes again when there is room") {
    run_queue queue;
    std::vector<item> items(run_queue_capacity + 1);
    for (std::size_t i = 0; i < run_queue_capacity; ++i) {
        CHECK(queue.push(items[i]));
    }
    CHECK_FALSE(queue.push(items.back()));
    CHECK(queue.pop() == &items[0]);
    CHECK(queue.push(items.back()));
    for (std::size_t i = 1; i < items.size(); ++i) {
        CHECK(queue.pop() == &items[i]);
    }
}

TEST_CASE("a thief gets the oldest item, moves some, and leaves the rest in order") {
    for (std::size_t count = 0; count <= run_queue_capacity; ++count) {
        run_queue queue;
        run_queue mine;
        std::vector<item> items(count);
        for (item& each : items) {
            REQUIRE(queue.push(each));
        }
        std::vector<work_node*> order;
        if (work_node* const first = queue.steal_half(mine)) {
            order.push_back(first);
        }
        while (work_node* const node = mine.pop()) {
            order.push_back(node);
        }
        const std::size_t moved = order.size();
        while (work_node* const node = queue.pop()) {
            order.push_back(node);
        }
        CHECK(moved == (count + 1) / 2);
        REQUIRE(order.size() == count);
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(order[i] == &items[i]);
        }
    }
}

TEST_CASE("a thief whose own queue is full gets one item only") {
    run_queue queue;
    run_queue mine;
    std::vector<item> theirs(run_queue_capacity);
    std::vector<item> own(run_queue_capacity);
    for (std::size_t i = 0; i < run_queue_capacity; ++i) {
        REQUIRE(queue.push(theirs[i]));
        REQUIRE(mine.push(own[i]));
    }
    CHECK(queue.steal_half(mine) == &theirs[0]);
    for (item& each : own) {
        CHECK(mine.pop() == &each);
    }
    CHECK(mine.pop() == nullptr);
    for (std::size_t i = 1; i < run_queue_capacity; ++i) {
        CHECK(queue.pop() == &theirs[i]);
    }
}

TEST_CASE("owners and thieves of several run queues take each item exactly once") {
    const std::uint64_t seed = testing::make_seed("run queues");
    for (const std::size_t workers : {2u, 3u, 4u}) {
        const std::size_t each_pushes = testing::scaled(100'000);
        std::vector<run_queue> queues(workers);
        std::vector<std::vector<item>> items;
        for (std::size_t w = 0; w < workers; ++w) {
            items.emplace_back(each_pushes);
        }
        std::atomic<std::size_t> left{workers * each_pushes};
        std::vector<std::thread> threads;
        for (std::size_t w = 0; w < workers; ++w) {
            threads.emplace_back([&, w] {
                testing::dice dice(seed + workers * 16 + w);
                run_queue& mine = queues[w];
                std::size_t next = 0;
                while (left.load(std::memory_order_relaxed) > 0) {
                    const std::size_t choice = dice.below(4);
                    if (choice < 2 && next < each_pushes) {
                        items[w][next].payload = 1;
                        if (mine.push(items[w][next])) {
                            ++next;
                        }
                    } else {
                        work_node* node = nullptr;
                        if (choice == 2) {
                            node = mine.pop();
                        } else {
                            const std::size_t other = (w + 1 + dice.below(workers - 1)) % workers;
                            node = queues[other].steal_half(mine);
                        }
                        if (node != nullptr) {
                            take(node);
                            left.fetch_sub(1, std::memory_order_relaxed);
                        }
                    }
                    dice.maybe_yield(64);
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        for (const std::vector<item>& part : items) {
            CHECK(each_once(part));
        }
        for (run_queue& queue : queues) {
            CHECK(queue.pop() == nullptr);
        }
    }
}

TEST_CASE("owners that pop lightly and thieves that come and go take each item exactly once") {
    aloft::detail::choose_process_fence();
    const std::uint64_t seed = testing::make_seed("light pops");
    constexpr std::size_t workers = 3;
    const std::size_t each_pushes = testing::scaled(100'000);
    idle_workers idle(workers);
    std::vector<run_queue> queues(workers);
    std::vector<std::vector<item>> items;
    for (std::size_t w = 0; w < workers; ++w) {
        items.emplace_back(each_pushes);
    }
    std::atomic<std::size_t> left{workers * each_pushes};
    std::atomic<std::size_t> light_pops{0};
    std::vector<std::thread> threads;
    for (std::size_t w = 0; w < workers; ++w) {
        threads.emplace_back([&, w] {
            testing::dice dice(seed + w);
            run_queue& mine = queues[w];
            std::size_t next = 0;
            std::size_t light = 0;
            while (left.load(std::memory_order_relaxed) > 0) {
                work_node* node = nullptr;
                if (dice.below(2) == 0 && next < each_pushes) {
                    items[w][next].payload = 1;
                    next += mine.push(items[w][next]) ? 1 : 0;
                } else if (dice.below(32) != 0) {
                    bool alone = false;
                    node = mine.pop([&] {
                        aloft::detail::light_fence();
                        alone =
                            idle_word::pops_are_light(idle.state().load(std::memory_order_acquire));
                        return alone;
                    });
                    light += node != nullptr && alone ? 1 : 0;
                } else if (idle.begin_search()) {
                    const std::size_t other = (w + 1 + dice.below(workers - 1)) % workers;
                    node = queues[other].steal_half(mine);
                    (void)idle.end_search();
                }
                if (node != nullptr) {
                    take(node);
                    left.fetch_sub(1, std::memory_order_relaxed);
                }
                dice.maybe_yield(256);
            }
            light_pops.fetch_add(light);
        });
    }
    while (left.load(std::memory_order_relaxed) > 0) {
        if (aloft::detail::asymmetric_fences()) {
            idle.allow_light_pops();
        }
        std::this_thread::yield();
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (const std::vector<item>& part : items) {
        CHECK(each_once(part));
    }
    for (run_queue& queue : queues) {
        CHECK(queue.empty());
    }
    CHECK((light_pops.load() > 0 || !aloft::detail::asymmetric_fences()));
}

// ---- the inject queue ----

TEST_CASE("the inject queue gives its items in order and no more than asked for") {
    inject_queue queue;
    std::vector<item> items(5);
    CHECK(queue.empty());
    queue.push(items[0]);
    work_list rest;
    for (std::size_t i = 1; i < items.size(); ++i) {
        rest.push(items[i]);
    }
    queue.push_all(std::move(rest));
    CHECK(queue.size() == 5);
    work_list taken;
    queue.take(taken, 2);
    CHECK(taken.size() == 2);
    queue.take(taken, 100);
    CHECK(taken.size() == 5);
    CHECK(queue.empty());
    queue.take(taken, 1);
    for (item& each : items) {
        CHECK(taken.pop() == &each);
    }
    CHECK(taken.pop() == nullptr);
}

TEST_CASE("several threads inject and several take, each item exactly once") {
    const std::uint64_t seed = testing::make_seed("inject queue");
    constexpr std::size_t sides = 3;
    const std::size_t each_pushes = testing::scaled(100'000);
    inject_queue queue;
    std::vector<std::vector<item>> items;
    for (std::size_t s = 0; s < sides; ++s) {
        items.emplace_back(each_pushes);
    }
    std::atomic<std::size_t> left{sides * each_pushes};
    std::vector<std::thread> threads;
    for (std::size_t s = 0; s < sides; ++s) {
        threads.emplace_back([&, s] {
            testing::dice dice(seed + s);
            for (std::size_t i = 0; i < each_pushes;) {
                work_list batch;
                for (std::size_t n = 1 + dice.below(4); n > 0 && i < each_pushes; --n, ++i) {
                    items[s][i].payload = 1;
                    batch.push(items[s][i]);
                }
                queue.push_all(std::move(batch));
                dice.maybe_yield(32);
            }
        });
        threads.emplace_back([&, s] {
            testing::dice dice(seed + sides + s);
            while (left.load(std::memory_order_relaxed) > 0) {
                work_list taken;
                queue.take(taken, 1 + dice.below(8));
                while (work_node* const node = taken.pop()) {
                    take(node);
                    left.fetch_sub(1, std::memory_order_relaxed);
                }
                dice.maybe_yield(8);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (const std::vector<item>& part : items) {
        CHECK(each_once(part));
    }
    CHECK(queue.empty());
}

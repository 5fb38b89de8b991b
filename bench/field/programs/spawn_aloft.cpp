// SPDX-License-Identifier: MIT
// spawn_aloft <tasks> <threads>: empty tasks, started and joined from inside the pool and from a
// thread outside; and what one yield costs. Also how often a burst makes threads wake up. Medians of
// some rounds: in the first one the system hands out the memory, page by page.
#include "measure.hpp"

#include <aloft/aloft.hpp>

#include <atomic>
#include <cstddef>
#include <vector>

namespace {

aloft::task<> empty(std::atomic<std::size_t>& ran) {
    ran.fetch_add(1, std::memory_order_relaxed);
    co_return;
}

aloft::task<> spawn_all(std::size_t count, std::atomic<std::size_t>& ran) {
    std::vector<aloft::join_handle<>> handles;
    handles.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        handles.push_back(aloft::spawn(empty(ran)));
    }
    for (auto& each : handles) {
        co_await each;
    }
}

aloft::task<> group(std::size_t count, std::atomic<std::size_t>& ran) {
    auto body = [&](aloft::task_group& tasks) -> aloft::task<> {
        for (std::size_t i = 0; i < count; ++i) {
            tasks.spawn(empty(ran));
        }
        co_return;
    };
    co_await aloft::with_task_group(body);
}

void spawn_from_outside(aloft::runtime& rt, std::size_t count, std::atomic<std::size_t>& ran) {
    std::vector<aloft::join_handle<>> handles;
    handles.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        handles.push_back(aloft::spawn(rt, empty(ran)));
    }
    auto join = [&]() -> aloft::task<> {
        for (auto& each : handles) {
            co_await each;
        }
    };
    aloft::sync_wait(rt, join());
}

aloft::task<> yields(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await aloft::yield();
    }
}

constexpr std::size_t rounds = 5;

} // namespace

int main(int argc, char** argv) {
    const std::size_t count = field::argument(argc, argv, 1, 100'000);
    const auto tasks = static_cast<double>(count);
    aloft::runtime rt(aloft::runtime_options{}.threads(field::argument(argc, argv, 2, 2)));
    std::atomic<std::size_t> ran{0};
    const double switches = field::voluntary_switches();
    field::report("inside_ns", field::median_of(rounds, [&] {
                      const double begin = field::seconds_now();
                      aloft::sync_wait(rt, spawn_all(count, ran));
                      return (field::seconds_now() - begin) * 1e9 / tasks;
                  }));
    field::report("wake_ups_per_task", (field::voluntary_switches() - switches) / tasks / rounds);
    field::must_be(ran.exchange(0) == rounds * count, "tasks from inside");

    field::report("outside_ns", field::median_of(rounds, [&] {
                      const double begin = field::seconds_now();
                      spawn_from_outside(rt, count, ran);
                      return (field::seconds_now() - begin) * 1e9 / tasks;
                  }));
    field::must_be(ran.exchange(0) == rounds * count, "tasks from outside");

    field::report("group_ns", field::median_of(rounds, [&] {
                      const double begin = field::seconds_now();
                      aloft::sync_wait(rt, group(count, ran));
                      return (field::seconds_now() - begin) * 1e9 / tasks;
                  }));
    field::must_be(ran.load() == rounds * count, "tasks of a group");

    const double begin = field::seconds_now();
    aloft::sync_wait(rt, aloft::when_all(yields(count), yields(count)));
    field::report("yield_ns", (field::seconds_now() - begin) * 1e9 / (2 * tasks));
}

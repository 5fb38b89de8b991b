// SPDX-License-Identifier: MIT
// spawn_aloft <tasks> <threads>: empty tasks, started and joined from inside the pool and from a
// thread outside; and what one yield costs. Also how often a burst makes threads wake up.
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

aloft::task<> yields(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await aloft::yield();
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t count = field::argument(argc, argv, 1, 100'000);
    const auto tasks = static_cast<double>(count);
    aloft::runtime rt(aloft::runtime_options{}.threads(field::argument(argc, argv, 2, 2)));
    std::atomic<std::size_t> ran{0};
    aloft::sync_wait(rt, spawn_all(count / 10, ran));
    ran.store(0);

    const double switches = field::voluntary_switches();
    double begin = field::seconds_now();
    aloft::sync_wait(rt, spawn_all(count, ran));
    field::report("inside_ns", (field::seconds_now() - begin) * 1e9 / tasks);
    field::report("wake_ups_per_task", (field::voluntary_switches() - switches) / tasks);
    field::must_be(ran.load() == count, "tasks from inside");

    ran.store(0);
    std::vector<aloft::join_handle<>> handles;
    handles.reserve(count);
    begin = field::seconds_now();
    for (std::size_t i = 0; i < count; ++i) {
        handles.push_back(aloft::spawn(rt, empty(ran)));
    }
    auto join = [&]() -> aloft::task<> {
        for (auto& each : handles) {
            co_await each;
        }
    };
    aloft::sync_wait(rt, join());
    field::report("outside_ns", (field::seconds_now() - begin) * 1e9 / tasks);
    field::must_be(ran.load() == count, "tasks from outside");

    begin = field::seconds_now();
    aloft::sync_wait(rt, aloft::when_all(yields(count), yields(count)));
    field::report("yield_ns", (field::seconds_now() - begin) * 1e9 / (2 * tasks));
}

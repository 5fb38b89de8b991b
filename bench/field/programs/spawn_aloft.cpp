// SPDX-License-Identifier: MIT
// spawn_aloft <tasks> <threads>: empty tasks, started and joined from inside the pool and from a
// thread outside; and what one yield costs. Also how often a burst makes threads wake up. Medians of
// some rounds: in the first ones the system hands out the memory.
#include "measure.hpp"

#include <aloft/aloft.hpp>

#include <cstddef>
#include <vector>

namespace {

// No word that all tasks write: two threads would measure how it goes back and forth.
aloft::task<unsigned> one() {
    co_return 1;
}

aloft::task<> empty() {
    co_return;
}

aloft::task<std::size_t> join_all(std::vector<aloft::join_handle<unsigned>>& handles) {
    std::size_t ran = 0;
    for (auto& each : handles) {
        ran += co_await each;
    }
    co_return ran;
}

aloft::task<std::size_t> spawn_all(std::size_t count) {
    std::vector<aloft::join_handle<unsigned>> handles;
    handles.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        handles.push_back(aloft::spawn(one()));
    }
    co_return co_await join_all(handles);
}

aloft::task<> group(std::size_t count) {
    auto body = [&](aloft::task_group& tasks) -> aloft::task<> {
        for (std::size_t i = 0; i < count; ++i) {
            tasks.spawn(empty());
        }
        co_return;
    };
    co_await aloft::with_task_group(body);
}

std::size_t spawn_from_outside(aloft::runtime& rt, std::size_t count) {
    std::vector<aloft::join_handle<unsigned>> handles;
    handles.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        handles.push_back(aloft::spawn(rt, one()));
    }
    return aloft::sync_wait(rt, join_all(handles));
}

aloft::task<> yields(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await aloft::yield();
    }
}

constexpr std::size_t rounds = 9;

} // namespace

int main(int argc, char** argv) {
    const std::size_t count = field::argument(argc, argv, 1, 100'000);
    const auto tasks = static_cast<double>(count);
    aloft::runtime rt(aloft::runtime_options{}.threads(field::argument(argc, argv, 2, 2)));
    const double switches = field::voluntary_switches();
    field::report("inside_ns", field::median_of(rounds, [&] {
                      const double begin = field::seconds_now();
                      field::must_be(aloft::sync_wait(rt, spawn_all(count)) == count,
                                     "tasks from inside");
                      return (field::seconds_now() - begin) * 1e9 / tasks;
                  }));
    field::report("wake_ups_per_task", (field::voluntary_switches() - switches) / tasks / rounds);

    field::report("outside_ns", field::median_of(rounds, [&] {
                      const double begin = field::seconds_now();
                      field::must_be(spawn_from_outside(rt, count) == count, "tasks from outside");
                      return (field::seconds_now() - begin) * 1e9 / tasks;
                  }));

    field::report("group_ns", field::median_of(rounds, [&] {
                      const double begin = field::seconds_now();
                      aloft::sync_wait(rt, group(count));
                      return (field::seconds_now() - begin) * 1e9 / tasks;
                  }));

    const double begin = field::seconds_now();
    aloft::sync_wait(rt, aloft::when_all(yields(count), yields(count)));
    field::report("yield_ns", (field::seconds_now() - begin) * 1e9 / (2 * tasks));
}

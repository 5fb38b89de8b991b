// SPDX-License-Identifier: MIT
// sleepers_aloft <tasks> <milliseconds>: tasks that sleep at the same time. Memory per task, and
// the time beyond the sleep until all of them have ended.
#include "measure.hpp"

#include <aloft/aloft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>

namespace {

std::atomic<std::size_t> asleep{0}; // a global, so that a sleeper's frame holds nothing for it

aloft::task<> sleeps(std::chrono::milliseconds time) {
    co_await aloft::sleep_for(time);
    asleep.fetch_sub(1, std::memory_order_relaxed);
}

/// Until all have ended: under load they need not end in the order in which they began.
aloft::task<> wait_for_all() {
    while (asleep.load(std::memory_order_relaxed) > 0) {
        co_await aloft::sleep_for(std::chrono::milliseconds(1));
    }
}

aloft::task<> start(std::size_t count, std::chrono::milliseconds time, aloft::semaphore& ended) {
    asleep.store(count, std::memory_order_relaxed);
    for (std::size_t i = 0; i < count; ++i) {
        aloft::spawn(sleeps(time)).detach();
    }
    ended.release();
    co_return;
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t count = field::argument(argc, argv, 1, 100'000);
    const std::chrono::milliseconds time(field::argument(argc, argv, 2, 1'000));
    const double before = field::peak_memory();
    double began = 0;
    {
        aloft::runtime rt(aloft::runtime_options{}.threads(2));
        aloft::semaphore ended(0);
        began = field::seconds_now();
        aloft::sync_wait(rt, start(count, time, ended));
        aloft::sync_wait(rt, wait_for_all());
        field::report("beyond_s",
                      field::seconds_now() - began - std::chrono::duration<double>(time).count());
    }
    field::report("bytes_per_task", (field::peak_memory() - before) / static_cast<double>(count));
}

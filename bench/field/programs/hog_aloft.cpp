// SPDX-License-Identifier: MIT
// hog_aloft <hogs> <threads>: 100 tasks that sleep 1 ms in a loop while tasks on the same pool
// compute for a second. How late are the sleepers?
#include "hog.hpp"

#include <aloft/aloft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

aloft::task<> sleeps(field::lateness& seen, const std::atomic<bool>& over) {
    while (!over.load()) {
        const double due = field::seconds_now() + 1e-3;
        co_await aloft::sleep_for(1ms);
        seen.woke(due);
    }
}

aloft::task<> computes(field::lateness& seen) {
    seen.compute();
    co_return;
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t hogs = field::argument(argc, argv, 1, 1);
    aloft::runtime rt(aloft::runtime_options{}.threads(field::argument(argc, argv, 2, 2)));
    field::lateness seen;
    std::atomic<bool> over{false};
    std::vector<aloft::join_handle<>> sleepers;
    for (int i = 0; i < 100; ++i) {
        sleepers.push_back(aloft::spawn(rt, sleeps(seen, over)));
    }
    std::this_thread::sleep_for(300ms);
    std::vector<aloft::join_handle<>> long_tasks;
    for (std::size_t i = 0; i < hogs; ++i) {
        long_tasks.push_back(aloft::spawn(rt, computes(seen)));
    }
    for (auto& each : long_tasks) {
        aloft::sync_wait(rt, each);
    }
    over.store(true);
    for (auto& each : sleepers) {
        aloft::sync_wait(rt, each);
    }
    seen.report();
}

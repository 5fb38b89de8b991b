// SPDX-License-Identifier: MIT
// The task outlives the lambda whose captures it uses.
#include <aloft/task.hpp>

#include <utility>

aloft::task<int> waits_too_late(int number) {
    auto later = [number]() -> aloft::task<int> { co_return number; }();
    co_return co_await std::move(later);
}

// SPDX-License-Identifier: MIT
// A task with a name is awaited without std::move.
#include <aloft/task.hpp>

aloft::task<int> one();

aloft::task<int> twice() {
    aloft::task<int> named = one();
    co_return co_await named + co_await named;
}

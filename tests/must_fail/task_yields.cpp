// SPDX-License-Identifier: MIT
// A task yields.
#include <aloft/task.hpp>

aloft::task<int> wrong() {
    co_yield 1;
    co_return 2;
}

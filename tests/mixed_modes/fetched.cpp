// SPDX-License-Identifier: MIT
// What one compiler makes for two_compilers.cmake.
#include <aloft/task.hpp>

aloft::task<int> fetch(int value) {
    co_return value;
}

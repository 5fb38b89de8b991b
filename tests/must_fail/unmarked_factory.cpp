// SPDX-License-Identifier: MIT
// A plain function that gives a task has to say so.
#include <aloft/task.hpp>

aloft::task<int> work();

aloft::task<int> makes_work() {
    return work();
}

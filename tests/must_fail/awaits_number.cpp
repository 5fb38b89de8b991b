// SPDX-License-Identifier: MIT
// A task awaits what cannot be awaited: the compiler's own sentence, at the line of the await.
#include <aloft/task.hpp>

aloft::task<int> wrong() {
    co_await 42;
    co_return 1;
}

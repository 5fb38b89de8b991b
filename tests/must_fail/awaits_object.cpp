// SPDX-License-Identifier: MIT
// A task awaits what cannot be awaited: the compiler's own sentence, at the line of the await.
#include <aloft/task.hpp>

struct no_awaitable {};

aloft::task<int> wrong() {
    co_await no_awaitable{};
    co_return 1;
}

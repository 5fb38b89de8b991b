// SPDX-License-Identifier: MIT
#include <aloft/aloft.hpp>

aloft::task<int> other_answer();

static aloft::task<int> answer() {
    co_return co_await other_answer() + 1;
}

int main() {
    return aloft::sync_wait(answer()) == 42 ? 0 : 1;
}

// SPDX-License-Identifier: MIT
// What another compiler makes for two_compilers.cmake, and links with fetched.cpp.
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>

aloft::task<int> fetch(int value);

int main() {
    return aloft::sync_wait(fetch(3)) == 3 ? 0 : 1;
}

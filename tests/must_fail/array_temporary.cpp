// SPDX-License-Identifier: MIT
// Must not compile with g++ 12, which would destroy the tasks of the temporary array twice.
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <array>

aloft::task<int> leaf();

aloft::task<> wrong() {
    co_await aloft::when_all(std::array{leaf(), leaf()});
}

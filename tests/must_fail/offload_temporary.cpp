// SPDX-License-Identifier: MIT
// Must not compile with g++ 12, which would destroy the captured pointer twice.
#include <aloft/offload.hpp>
#include <aloft/task.hpp>

#include <memory>

aloft::task<int> wrong(std::shared_ptr<int> number) {
    co_return co_await aloft::offload([number] { return *number; });
}

// SPDX-License-Identifier: MIT
// The way that the refusals of this folder recommend: must compile with every compiler.
#include <aloft/offload.hpp>
#include <aloft/spawn.hpp>
#include <aloft/task.hpp>

#include <memory>

aloft::task<int> right(std::shared_ptr<int> number) {
    auto handle = aloft::spawn([number] { return *number; });
    const int first = co_await handle;
    auto call = aloft::offload([number] { return *number; });
    const int second = co_await call;
    co_return first + second;
}

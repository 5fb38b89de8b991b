// SPDX-License-Identifier: MIT
// The task outlives the temporary that it refers to.
#include <aloft/task.hpp>

#include <string>
#include <utility>

aloft::task<std::size_t> length(const std::string& text);

aloft::task<std::size_t> waits_too_late() {
    auto later = length(std::string("gone at the end of this line"));
    co_return co_await std::move(later);
}

// SPDX-License-Identifier: MIT
// Generators and shared tasks outlive the temporaries that they refer to.
#include <aloft/async_generator.hpp>
#include <aloft/shared_task.hpp>
#include <aloft/task.hpp>

#include <string>

aloft::async_generator<char> letters(const std::string& text);
aloft::shared_task<std::size_t> length(const std::string& text);

aloft::task<std::size_t> waits_too_late() {
    auto each = letters(std::string("gone at the end of this line"));
    auto once = length(std::string("this one, too"));
    (void)co_await each.next();
    co_return co_await once;
}

// SPDX-License-Identifier: MIT
// A plain function gives a task that refers to a variable of its own.
#include <aloft/task.hpp>

#include <string>

aloft::task<std::size_t> length(const std::string& text);

ALOFT_CORO_WRAPPER aloft::task<std::size_t> length_of_number(int number) {
    const std::string text = std::to_string(number);
    return length(text);
}

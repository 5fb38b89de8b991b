// SPDX-License-Identifier: MIT
// What the tests of signal_set share.
#pragma once

#include <aloft/signal_set.hpp>
#include <aloft/task.hpp>

#include <initializer_list>
#include <string>
#include <system_error>

namespace testing {

/// What a set of these numbers is refused with, and the sentence that says so.
[[nodiscard]] inline std::error_code refusal_of(std::initializer_list<int> numbers,
                                                std::string& sentence) {
    try {
        const aloft::signal_set set(numbers);
    } catch (const std::system_error& error) {
        sentence = error.what();
        return error.code();
    }
    return {};
}

inline aloft::task<int> sum_of_signals(const aloft::signal_set& set, int count) {
    int sum = 0;
    for (int i = 0; i < count; ++i) {
        sum += co_await set.wait();
    }
    co_return sum;
}

} // namespace testing

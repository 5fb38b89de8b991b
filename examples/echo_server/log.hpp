// SPDX-License-Identifier: MIT
// Whole lines on standard error, from any thread.
#pragma once

#include <iostream>
#include <string>

namespace echo_server {

inline void log_line(std::string text) {
    text.push_back('\n');
    std::cerr << text; // one insertion, so lines do not mix
}

} // namespace echo_server

// SPDX-License-Identifier: MIT Prints what was measured: where each step ran, and the three
// versions side by side.
#pragma once

#include "outcome.hpp"
#include "settings.hpp"

#include <string>
#include <vector>

namespace user_page {

/// One version with one number of requests.
struct measured {
    settings how;
    outcome found;
};

/// Which thread kicked each step off, which one went on after it, and where the work was done.
void print_steps(const measured& one);

/// The versions that ran with the same number of requests, one per column.
void print_comparison(const std::vector<measured>& versions);

} // namespace user_page

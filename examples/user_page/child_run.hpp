// SPDX-License-Identifier: MIT Starts a measured run in a child process, watches it from outside,
// and takes its report.
#pragma once

#include "outcome.hpp"
#include "settings.hpp"

#include <string>

namespace user_page {

/// Errors: std::runtime_error when the child fails; interrupted when the user presses Ctrl-C.
[[nodiscard]] outcome run_in_child(const settings& how);

/// In the child: runs what the program asked for, and writes the report to standard output.
void report_measured_run(const std::string& settings_as_json);

} // namespace user_page

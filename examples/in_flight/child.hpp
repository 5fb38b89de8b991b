// SPDX-License-Identifier: MIT
// Runs this very program again, so that one variant's memory and threads do not show in another's.
#pragma once

#include <string>
#include <vector>

namespace in_flight {

/// Starts this program with `arguments`, waits for it and returns what it wrote to its standard
/// output. Throws when it cannot be started or ends with a status other than 0.
[[nodiscard]] std::string run_self(const std::vector<std::string>& arguments);

} // namespace in_flight

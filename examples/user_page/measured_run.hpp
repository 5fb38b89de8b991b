// SPDX-License-Identifier: MIT One version with one number of requests, in a process of its own so
// that its threads and its peak of memory are its own.
#pragma once

#include "outcome.hpp"
#include "settings.hpp"

namespace user_page {

/// Opens what is needed, then starts all requests at once and waits for the last.
[[nodiscard]] outcome run_measured(const settings& how);

} // namespace user_page

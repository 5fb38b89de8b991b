// SPDX-License-Identifier: MIT
// Starts the library's threads. All in one way, because std::thread is compiled once more for every
// type of function that it is given.
// Layer: L2 reactor
#pragma once

#include <aloft/config.hpp>

#include <thread>

namespace aloft::inline ALOFT_ABI::detail {

/// Throws std::system_error if there can be no further thread.
[[nodiscard]] ALOFT_COLD inline std::thread start_thread(void (*run)(void*) noexcept, void* with) {
    return std::thread(run, with);
}

} // namespace aloft::inline ALOFT_ABI::detail

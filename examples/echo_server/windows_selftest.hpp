// SPDX-License-Identifier: MIT
// What the self-test asks of Windows.
#pragma once

#include <aloft/tcp.hpp>

namespace echo_server {

/// Windows does not tell; the pause before has to be enough.
[[nodiscard]] inline bool is_under_way(const aloft::tcp_stream&) {
    return false;
}

/// Ctrl+C. Only where the program has a console.
[[nodiscard]] inline bool ask_to_stop() {
    return ::SetConsoleCtrlHandler(nullptr, FALSE) != 0 && // it may be ignored, by inheritance
           ::GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) != 0;
}

} // namespace echo_server

// SPDX-License-Identifier: MIT
// What the self-test asks of Linux.
#pragma once

#include <aloft/tcp.hpp>

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>

namespace echo_server {

/// Whether some of what was sent has not reached the other side's kernel yet.
[[nodiscard]] inline bool is_under_way(const aloft::tcp_stream& stream) {
    int bytes = 0;
    return ::ioctl(stream.native_handle(), SIOCOUTQ, &bytes) != 0 || bytes > 0;
}

/// As somebody else would do it.
[[nodiscard]] inline bool ask_to_stop() {
    return ::kill(::getpid(), SIGTERM) == 0;
}

} // namespace echo_server

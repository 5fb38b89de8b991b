// SPDX-License-Identifier: MIT
// Clients that try a server out, and then the stop.
#pragma once

#include <aloft/endpoint.hpp>
#include <aloft/task.hpp>

#include <cstddef>

namespace echo_server {

/// Connects `clients` clients at once, each of which sends messages of many sizes and compares what
/// comes back. Then sends this process SIGTERM while three more clients are connected: one that is
/// idle, one whose last message the server has received but not necessarily echoed, and one that
/// sends without ever reading. Ends when the server has closed them all.
/// Errors: throws std::runtime_error when anything comes back other than it was sent.
[[nodiscard]] aloft::task<> selftest(aloft::endpoint where, std::size_t clients);

} // namespace echo_server

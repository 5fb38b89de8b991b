// SPDX-License-Identifier: MIT
// An address of this machine, as the system's calls take it.
#pragma once

#include <aloft/detail/reactor/socket_address.hpp>

#include <cstdint>

namespace test_support {

[[nodiscard]] inline sockaddr_in loopback_address(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

} // namespace test_support

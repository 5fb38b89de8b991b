// SPDX-License-Identifier: MIT
// A listening TCP socket on a free loopback port, by plain system calls.
#pragma once

#include "support/descriptor.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdint>

namespace bench {

[[nodiscard]] inline sockaddr_in loopback(std::uint16_t port) noexcept {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

inline void set_no_delay(int socket) {
    const int on = 1;
    check(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
}

class listener {
public:
    listener() : socket_(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        check(::bind(socket_.get(), generic, size), "bind");
        check(::listen(socket_.get(), 4096), "listen");
        check(::getsockname(socket_.get(), generic, &size), "getsockname");
        port_ = ntohs(address.sin_port);
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

    /// The next connection, or an empty descriptor once stop() was called.
    [[nodiscard]] descriptor accept() const {
        descriptor connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (connection.get() >= 0) {
            set_no_delay(connection.get());
        }
        return connection;
    }

    void stop() const noexcept { (void)::shutdown(socket_.get(), SHUT_RDWR); }

private:
    descriptor socket_;
    std::uint16_t port_ = 0;
};

} // namespace bench

// SPDX-License-Identifier: MIT
#include "support/echo_servers.hpp"

#include <array>
#include <utility>
#include <vector>

namespace bench {
namespace {

void echo(const descriptor& connection) noexcept {
    std::array<std::byte, largest_message> buffer;
    for (;;) {
        const ssize_t size = ::recv(connection.get(), buffer.data(), buffer.size(), 0);
        if (size <= 0) {
            return;
        }
        ssize_t sent = 0;
        while (sent < size) {
            const ssize_t part = ::send(connection.get(), buffer.data() + sent,
                                        static_cast<std::size_t>(size - sent), MSG_NOSIGNAL);
            if (part < 0) {
                return;
            }
            sent += part;
        }
    }
}

} // namespace

thread_echo_server::thread_echo_server(std::size_t connections)
    : server_([this, connections] { serve(connections); }) {}

void thread_echo_server::serve(std::size_t connections) noexcept {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < connections; ++i) {
        descriptor connection = listener_.accept();
        if (connection.get() < 0) {
            break;
        }
        threads.emplace_back([own = std::move(connection)] { echo(own); });
    }
    for (std::thread& each : threads) {
        each.join();
    }
}

thread_echo_server::~thread_echo_server() {
    listener_.stop();
    server_.join();
}

} // namespace bench

// SPDX-License-Identifier: MIT
// echo_threads: an echo server with one blocking thread per connection.
#include "server.hpp"

#include <array>
#include <thread>

namespace {

void echo(int fd) {
    std::array<char, field::largest_message> buffer;
    for (;;) {
        const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (size <= 0) {
            break;
        }
        field::compute_if_heavy(buffer[0]);
        // A blocking send sends everything.
        if (::send(fd, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) != size) {
            break;
        }
    }
    ::close(fd);
}

} // namespace

int main() {
    const field::plain_listener listener;
    field::serve_control(listener.port);
    for (;;) {
        const int fd = ::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC);
        field::must_be(fd >= 0, "accept");
        field::set_no_delay(fd);
        std::thread(&echo, fd).detach();
    }
}

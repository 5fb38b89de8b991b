// SPDX-License-Identifier: MIT
#include "support/echo_servers.hpp"
#include "support/ring.hpp"

#include <array>
#include <cstdio>
#include <deque>
#include <exception>
#include <utility>

namespace bench {
namespace {

/// Either receives or sends, never both.
struct connection {
    explicit connection(descriptor own) noexcept : socket(std::move(own)) {}

    descriptor socket;
    bool sending = false;
    std::size_t size = 0; ///< bytes to send back
    std::size_t sent = 0; ///< of these
    std::array<std::byte, largest_message> buffer;
};

void receive(ring& io, connection& c) {
    io_uring_sqe* const entry = io.next_entry();
    ::io_uring_prep_recv(entry, c.socket.get(), c.buffer.data(), c.buffer.size(), 0);
    ::io_uring_sqe_set_data(entry, &c);
    c.sending = false;
}

void send(ring& io, connection& c) {
    io_uring_sqe* const entry = io.next_entry();
    ::io_uring_prep_send(entry, c.socket.get(), c.buffer.data() + c.sent, c.size - c.sent,
                         MSG_NOSIGNAL);
    ::io_uring_sqe_set_data(entry, &c);
    c.sending = true;
}

/// Goes on with a connection; false if it has ended.
[[nodiscard]] bool advance(ring& io, connection& c, int answer) {
    if (answer <= 0) {
        return false;
    }
    const std::size_t bytes = static_cast<std::size_t>(answer);
    if (!c.sending) {
        c.size = bytes;
        c.sent = 0;
        send(io, c);
        return true;
    }
    c.sent += bytes;
    if (c.sent < c.size) {
        send(io, c);
    } else {
        receive(io, c);
    }
    return true;
}

} // namespace

ring_echo_server::ring_echo_server(std::size_t connections)
    : server_([this, connections] {
          try {
              serve(connections);
          } catch (const std::exception& error) {
              std::fprintf(stderr, "ring_echo_server: %s\n", error.what());
          }
      }) {}

void ring_echo_server::serve(std::size_t connections) {
    std::deque<connection> accepted;
    ring io(1024);
    while (accepted.size() < connections) {
        descriptor socket = listener_.accept();
        if (socket.get() < 0) {
            break;
        }
        accepted.emplace_back(std::move(socket));
        receive(io, accepted.back());
    }
    std::size_t open = accepted.size();
    while (open > 0) {
        io.submit_and_wait(1);
        io.for_each_completion([&](const io_uring_cqe& completion) {
            auto& c = *static_cast<connection*>(::io_uring_cqe_get_data(&completion));
            if (!advance(io, c, completion.res)) {
                --open;
            }
        });
    }
}

ring_echo_server::~ring_echo_server() {
    listener_.stop();
    server_.join();
}

} // namespace bench

// SPDX-License-Identifier: MIT
// Three servers that send back what they receive. Each serves a given number of connections from
// its construction on, and ends when its clients have closed them or it is destroyed.
#pragma once

#include "support/descriptor.hpp"
#include "support/listener.hpp"

#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>

#include <cstddef>
#include <cstdint>
#include <thread>

namespace bench {

/// The largest message, and the size of the servers' buffers, in bytes.
inline constexpr std::size_t largest_message = 4096;

/// A task per connection.
class aloft_echo_server {
public:
    aloft_echo_server(aloft::runtime& rt, std::size_t connections);
    aloft_echo_server(const aloft_echo_server&) = delete;
    aloft_echo_server& operator=(const aloft_echo_server&) = delete;
    ~aloft_echo_server();

    [[nodiscard]] std::uint16_t port() const { return listener_.local_endpoint().port(); }

private:
    aloft::task<> serve(std::size_t connections);

    aloft::runtime* runtime_;
    aloft::tcp_listener listener_;
    aloft::join_handle<> served_;
};

/// A thread per connection, and blocking calls.
class thread_echo_server {
public:
    explicit thread_echo_server(std::size_t connections);
    thread_echo_server(const thread_echo_server&) = delete;
    thread_echo_server& operator=(const thread_echo_server&) = delete;
    ~thread_echo_server();

    [[nodiscard]] std::uint16_t port() const noexcept { return listener_.port(); }

private:
    void serve(std::size_t connections) noexcept;

    listener listener_;
    std::thread server_;
};

/// One thread with an io_uring of its own, by hand.
class ring_echo_server {
public:
    explicit ring_echo_server(std::size_t connections);
    ring_echo_server(const ring_echo_server&) = delete;
    ring_echo_server& operator=(const ring_echo_server&) = delete;
    ~ring_echo_server();

    [[nodiscard]] std::uint16_t port() const noexcept { return listener_.port(); }

private:
    void serve(std::size_t connections);

    listener listener_;
    std::thread server_;
};

} // namespace bench

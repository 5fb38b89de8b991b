// SPDX-License-Identifier: MIT
// A TCP echo server that stops gracefully.
#pragma once

#include <aloft/endpoint.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>

namespace echo_server {

/// What a server has done so far.
struct totals {
    std::uint64_t connections = 0;
    std::uint64_t requests = 0; ///< pieces received and sent back
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_echoed = 0;
    std::uint64_t connection_errors = 0; ///< connections that ended with an error
    std::uint64_t accept_errors = 0;
    std::uint64_t closed_by_force = 0; ///< connections still open at the end of the grace time
    std::uint64_t most_open = 0;       ///< connections at the same time
    std::uint64_t threads_at_most_open = 0;
    std::chrono::nanoseconds stopping{}; ///< from the first request to stop until all were closed
};

/// Life cycle: construct (binds and listens), `run` once, destroy.
///
/// Stopping is two-fold. The first request closes the listener and the receiving half of every
/// connection, so that each echoes what has been received and then sees the end of its stream. The
/// second one, or the end of the grace time, shuts the sending half as well: that ends connections
/// whose client does not read.
///
/// Invariants
/// 1. `holders_` counts the task that accepts and every connection; whoever takes it to 0 releases
///    `drained_`, exactly once.
/// 2. A stream in `open_` is alive: it is removed under `mutex_` before it is closed.
///
/// Lifetime: must outlive the runtime on which it runs, whose end stops the timer of the grace
/// time.
class server {
public:
    server(const aloft::endpoint& where, std::chrono::milliseconds grace);
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    [[nodiscard]] aloft::endpoint local_endpoint() const;

    /// Serves until a stop is requested and all connections are closed.
    [[nodiscard]] aloft::task<> run();

    /// The first call ends gracefully, the next at once. Thread safety: any thread.
    void request_stop();

    /// Thread safety: any thread; the counts may be moments apart from each other.
    [[nodiscard]] totals so_far() const;

private:
    class open_connection;

    aloft::task<> accept_all();
    aloft::task<> serve(aloft::tcp_stream accepted);
    aloft::task<> end_grace();
    void shut_all(aloft::shutdown_how how);
    void enter(open_connection& connection);
    void leave() noexcept;

    aloft::tcp_listener listener_;
    const std::chrono::milliseconds grace_;
    aloft::semaphore drained_{0};

    std::atomic<std::uint64_t> holders_{1};
    std::atomic<unsigned> stop_requests_{0};
    std::atomic<std::uint64_t> connections_{0};
    std::atomic<std::uint64_t> requests_{0};
    std::atomic<std::uint64_t> bytes_received_{0};
    std::atomic<std::uint64_t> bytes_echoed_{0};
    std::atomic<std::uint64_t> connection_errors_{0};
    std::atomic<std::uint64_t> accept_errors_{0};

    mutable std::mutex mutex_; ///< guards all below
    std::list<aloft::tcp_stream*> open_;
    std::uint64_t most_open_ = 0;
    std::uint64_t threads_at_most_open_ = 0;
    std::uint64_t closed_by_force_ = 0;
    bool forced_ = false;
    std::chrono::steady_clock::time_point stop_start_;
    std::chrono::steady_clock::time_point stop_end_;
};

} // namespace echo_server

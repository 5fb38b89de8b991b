// SPDX-License-Identifier: MIT
// tcp_stream and tcp_listener: connections over IPv4 and IPv6.
// Layer: L4 surface
#pragma once

#include <aloft/as_result.hpp>
#include <aloft/detail/surface/byte_stream.hpp>
#if defined(_WIN32)
#include <aloft/detail/surface/windows_socket.hpp>
#else
#include <aloft/detail/surface/posix_socket.hpp>
#endif
#include <aloft/endpoint.hpp>
#include <aloft/resolve.hpp>
#include <aloft/task.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI {

/// Which direction of a connection to end.
enum class shutdown_how { read, write, both };

/// Purpose: one end of a TCP connection.
///
/// Thread safety: one read and one write may be in flight at once, from different tasks; two of the
/// same kind may not. shutdown() may be called beside them; close() and the destructor may not.
/// Lifetime: owns the socket; must outlive its operations, as must the buffers.
/// Errors: co_await throws std::system_error that names the operation; an ended stream is 0 from
/// read_some, and std::errc::message_size from read_exact. A write to a broken connection is an
/// error (EPIPE, ECONNRESET), never a signal.
/// Cancellation: operations end with std::errc::operation_canceled when the task is stopped or the
/// runtime ends; shutdown(both) ends a waiting read with 0, but on Windows, where that ends when the peer
/// does or when it is stopped. What was transferred before is reported as success.
/// Cost: one ring operation per read_some or write_some, no allocation; the exact and all forms use
/// one recycled frame.
class tcp_stream {
public:
    /// Not connected.
    tcp_stream() noexcept = default;
    explicit tcp_stream(detail::descriptor socket) noexcept : socket_(std::move(socket)) {}

    class connect_request : public detail::connect_request {
    public:
        using value_type = tcp_stream;
        explicit connect_request(const endpoint& remote)
            : detail::connect_request(remote.raw(), remote.to_string()) {}
        [[nodiscard]] tcp_stream finish(std::int32_t answer) noexcept {
            return tcp_stream(detail::connect_request::finish(answer));
        }
    };

    /// Connects to an address: `auto s = co_await tcp_stream::connect(endpoint{"127.0.0.1", 80});`
    [[nodiscard]] static auto connect(const endpoint& remote) {
        return detail::io_awaitable(connect_request(remote));
    }

    /// Looks the name up and tries its addresses in order; throws what the last one gave.
    [[nodiscard]] static task<tcp_stream> connect(std::string host, std::uint16_t port) {
        const std::vector<endpoint> remotes = co_await resolve(host, port);
        std::error_code last;
        for (const endpoint& each : remotes) {
            result<tcp_stream> made = co_await as_result(connect(each));
            if (made) {
                co_return std::move(*made);
            }
            last = made.error();
            if (last == std::errc::operation_canceled) {
                break;
            }
        }
        detail::throw_error(last, "connect to " + host + ":" + std::to_string(port));
    }

    /// Reads what is there, at least one byte unless the stream has ended (0) or `buffer` is empty.
    [[nodiscard]] auto read_some(std::span<std::byte> buffer) const noexcept {
        return detail::io_awaitable(detail::receive_request(socket_.get(), buffer));
    }
    [[nodiscard]] auto read_some(std::span<char> buffer) const noexcept {
        return read_some(std::as_writable_bytes(buffer));
    }

    /// Fills `buffer`; gives its size.
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t>
    read_exact(std::span<std::byte> buffer) const {
        return detail::read_exactly(*this, buffer);
    }
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t> read_exact(std::span<char> buffer) const {
        return read_exact(std::as_writable_bytes(buffer));
    }

    /// Writes some of `buffer`; gives how many bytes.
    [[nodiscard]] auto write_some(std::span<const std::byte> buffer) const noexcept {
        return detail::io_awaitable(detail::send_request(socket_.get(), buffer));
    }
    [[nodiscard]] auto write_some(std::string_view text) const noexcept {
        return write_some(detail::bytes_of(text));
    }
    template <detail::character_range Range>
    [[nodiscard]] auto write_some(const Range& characters) const noexcept {
        return write_some(detail::bytes_of(characters));
    }

    /// Writes all of `buffer`; gives its size.
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t>
    write_all(std::span<const std::byte> buffer) const {
        return detail::write_everything(*this, buffer);
    }
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t> write_all(std::string_view text) const {
        return write_all(detail::bytes_of(text));
    }
    template <detail::character_range Range>
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t> write_all(const Range& characters) const {
        return write_all(detail::bytes_of(characters));
    }

    /// Ends one direction or both; a read that waits gives 0. No effect on an ended connection.
    void shutdown(shutdown_how how = shutdown_how::both) noexcept {
        detail::shut_down(socket_.get(), how != shutdown_how::write, how != shutdown_how::read);
    }

    /// Closes the socket. No operation may be in flight.
    void close() noexcept { socket_.reset(); }
    [[nodiscard]] bool is_open() const noexcept { return socket_.valid(); }

    [[nodiscard]] endpoint local_endpoint() const {
        return endpoint(detail::local_address(socket_.get()));
    }
    [[nodiscard]] endpoint remote_endpoint() const {
        return endpoint(detail::remote_address(socket_.get()));
    }

    /// Sends small writes at once instead of waiting for acknowledgements (TCP_NODELAY).
    void set_no_delay(bool on = true) { detail::set_no_delay(socket_.get(), on); }

    /// The descriptor, for options that are not wrapped; it stays owned by the stream.
    [[nodiscard]] int native_handle() const noexcept { return socket_.get(); }

private:
    detail::descriptor socket_;
};

/// Purpose: accepts TCP connections.
///
/// Thread safety: several tasks may accept at once; close() may be called beside them, on any
/// thread.
/// Lifetime: owns the socket, until it is destroyed; must outlive its operations.
/// Errors: bind() throws std::system_error that names the address; accept() that names the
/// operation (std::errc::too_many_files_open, for one, after which the listener goes on).
/// Cancellation: accept() ends with std::errc::operation_canceled when the listener is closed or
/// the runtime stops.
/// Cost: one ring operation per accept, no allocation.
class tcp_listener {
public:
    class accept_request {
    public:
        using value_type = tcp_stream;
        explicit accept_request(const tcp_listener& listener) noexcept : listener_(&listener) {}

        int prepare(detail::operation& op) noexcept {
            return listener_->closed()
                       ? detail::canceled_number
                       : call_.prepare(op, listener_->socket_.get(), listener_->closed_);
        }
        [[nodiscard]] tcp_stream finish(std::int32_t answer) noexcept {
            return tcp_stream(call_.finish(answer));
        }
        [[nodiscard]] std::error_code refine(std::error_code code) const noexcept {
            return listener_->closed() ? canceled_error() : code;
        }
        [[nodiscard]] std::string name() const {
            return "accept on socket " + std::to_string(listener_->socket_.get());
        }

    private:
        const tcp_listener* listener_;
        detail::accept_call call_;
    };

    /// Listens on an address; port 0 takes a free one, see local_endpoint(). SO_REUSEADDR is set.
    [[nodiscard]] static tcp_listener bind(const endpoint& local, int backlog = 4096) {
        return tcp_listener(detail::listen_tcp(local.raw(), backlog, local.to_string()));
    }

    tcp_listener(tcp_listener&& other) noexcept
        : socket_(std::move(other.socket_)), closed_(other.closed_.exchange(true)) {}
    tcp_listener& operator=(tcp_listener&& other) noexcept {
        socket_ = std::move(other.socket_);
        closed_ = other.closed_.exchange(true);
        return *this;
    }
    ~tcp_listener() = default;

    /// Waits for the next connection.
    [[nodiscard]] auto accept() const noexcept {
        return detail::io_awaitable(accept_request(*this));
    }

    /// Refuses further connections and ends the accepts that wait. The port is free again when the
    /// listener is destroyed.
    void close() noexcept {
        if (!closed_.exchange(true)) {
            detail::end_accepts(socket_.get());
        }
    }

    [[nodiscard]] bool closed() const noexcept { return closed_.load(); }

    [[nodiscard]] endpoint local_endpoint() const {
        return endpoint(detail::local_address(socket_.get()));
    }

    [[nodiscard]] int native_handle() const noexcept { return socket_.get(); }

private:
    explicit tcp_listener(detail::descriptor socket) noexcept
        : socket_(std::move(socket)), closed_(false) {}

    detail::descriptor socket_;
    std::atomic<bool> closed_;
};

} // namespace aloft::inline ALOFT_ABI

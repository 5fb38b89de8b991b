// SPDX-License-Identifier: MIT
// udp_socket: datagrams over IPv4 and IPv6.
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/datagram_requests.hpp>
#include <aloft/detail/surface/datagram_socket.hpp>
#include <aloft/endpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// What a datagram that was received is about; its bytes are in the buffer that was given.
struct datagram {
    std::size_t size = 0; ///< bytes in the buffer; a datagram may be empty
    endpoint from;
    bool truncated = false; ///< it was longer than the buffer, and the rest is gone
};

/// Whether others may bind the same address.
enum class address_use {
    exclusive,
    shared ///< SO_REUSEADDR: those who all ask for it may, as receivers of multicast do
};

/// Purpose: sends and receives datagrams: whole, or not at all, in any order, perhaps twice.
/// `udp_socket s = udp_socket::bind(endpoint::any(5353)); const datagram d = co_await s.recv_from(buffer);`
///
/// Thread safety: any number of receives and sends may be in flight at once, from different tasks; each
/// datagram goes to one receive. connect() and close() may not be called beside them.
/// Lifetime: owns the socket; must outlive its operations, as must the buffers.
/// Errors: co_await throws std::system_error that names the operation: std::errc::message_size for
/// what is too long to be sent (65,507 bytes over IPv4 at most) or, from recv(), was longer than the
/// buffer. What a connected socket sent to a port where nobody is, makes a later operation fail with
/// std::errc::connection_refused; a socket that is not connected is not told.
/// Cancellation: operations end with std::errc::operation_canceled when the task is stopped or the
/// runtime ends. A receive that is cancelled has taken no datagram.
/// Cost: one ring operation per datagram, no allocation.
class udp_socket {
public:
    /// Not open.
    udp_socket() noexcept = default;
    explicit udp_socket(detail::descriptor socket) noexcept : socket_(std::move(socket)) {}

    class recv_from_request : public detail::receive_datagram_request {
    public:
        using value_type = datagram;
        using detail::receive_datagram_request::receive_datagram_request;
        [[nodiscard]] datagram finish(std::int32_t answer) const noexcept {
            return {message_.stored(answer), endpoint(message_.peer()), message_.was_cut(answer)};
        }
    };

    class recv_request : public detail::receive_datagram_request {
    public:
        using value_type = std::size_t;
        using detail::receive_datagram_request::receive_datagram_request;
        [[nodiscard]] std::int32_t judge(std::int32_t answer) const noexcept {
            return answer >= 0 && message_.was_cut(answer) ? detail::datagram_was_cut : answer;
        }
        [[nodiscard]] std::size_t finish(std::int32_t answer) const noexcept {
            return message_.stored(answer);
        }
    };

    /// Binds an address; port 0 takes a free one, see local_endpoint(). Throws std::system_error that
    /// names the address.
    [[nodiscard]] static udp_socket bind(const endpoint& local,
                                         address_use use = address_use::exclusive) {
        return udp_socket(
            detail::bind_udp(local.raw(), use == address_use::shared, local.to_string()));
    }

    /// From now on only `remote` is heard, and send() goes there. Does not wait, and finds out nothing
    /// about whether somebody is there. May be called again.
    void connect(const endpoint& remote) {
        detail::connect_udp(socket_.get(), remote.raw(), remote.to_string());
    }

    /// Waits for a datagram; gives its size, whom it is from, and whether it was longer than `buffer`.
    [[nodiscard]] auto recv_from(std::span<std::byte> buffer) const noexcept {
        return detail::io_awaitable(recv_from_request(socket_.get(), buffer));
    }
    [[nodiscard]] auto recv_from(std::span<char> buffer) const noexcept {
        return recv_from(std::as_writable_bytes(buffer));
    }

    /// Waits for a datagram; gives its size. One that is longer than `buffer` is an error, and gone.
    [[nodiscard]] auto recv(std::span<std::byte> buffer) const noexcept {
        return detail::io_awaitable(recv_request(socket_.get(), buffer));
    }
    [[nodiscard]] auto recv(std::span<char> buffer) const noexcept {
        return recv(std::as_writable_bytes(buffer));
    }

    /// Sends one datagram; gives its size. It may be empty.
    [[nodiscard]] auto send_to(std::span<const std::byte> bytes,
                               const endpoint& remote) const noexcept {
        return detail::io_awaitable(
            detail::send_datagram_request(socket_.get(), bytes, remote.raw(), true));
    }
    [[nodiscard]] auto send_to(std::string_view text, const endpoint& remote) const noexcept {
        return send_to(detail::bytes_of(text), remote);
    }
    template <detail::character_range Range>
    [[nodiscard]] auto send_to(const Range& characters, const endpoint& remote) const noexcept {
        return send_to(detail::bytes_of(characters), remote);
    }

    /// Sends one datagram to whom the socket is connected; gives its size.
    [[nodiscard]] auto send(std::span<const std::byte> bytes) const noexcept {
        return detail::io_awaitable(
            detail::send_datagram_request(socket_.get(), bytes, detail::raw_endpoint{}, false));
    }
    [[nodiscard]] auto send(std::string_view text) const noexcept {
        return send(detail::bytes_of(text));
    }
    template <detail::character_range Range>
    [[nodiscard]] auto send(const Range& characters) const noexcept {
        return send(detail::bytes_of(characters));
    }

    /// Closes the socket. No operation may be in flight.
    void close() noexcept { socket_.reset(); }
    [[nodiscard]] bool is_open() const noexcept { return socket_.valid(); }

    [[nodiscard]] endpoint local_endpoint() const {
        return endpoint(detail::local_address(socket_.get()));
    }
    /// Of a connected socket.
    [[nodiscard]] endpoint remote_endpoint() const {
        return endpoint(detail::remote_address(socket_.get()));
    }

    /// Whether datagrams to broadcast addresses may be sent.
    void set_broadcast(bool on = true) {
        detail::set_socket_flag(socket_.get(), SOL_SOCKET, SO_BROADCAST, on,
                                "udp_socket::set_broadcast");
    }
    /// Receives what is sent to that multicast address, whose port is not used, too; over the interface
    /// that the system chooses, or the one in an IPv6 address ("ff02::fb%eth0"). Simulated worlds have
    /// no multicast.
    void join_group(const endpoint& group) {
        detail::change_membership(socket_.get(), group.raw(), true,
                                  "udp_socket::join_group " + group.address());
    }
    void leave_group(const endpoint& group) {
        detail::change_membership(socket_.get(), group.raw(), false,
                                  "udp_socket::leave_group " + group.address());
    }

    /// The descriptor, for options that are not wrapped; it stays owned by the socket.
    [[nodiscard]] int native_handle() const noexcept { return socket_.get(); }

private:
    detail::descriptor socket_;
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// UDP between the sockets of one simulated world.
// Layer: L2 reactor
//
// 1. Each datagram takes its own time, so they overtake each other. The dice may lose one, or bring it
//    twice. What arrives while the socket's buffer is full is lost, as is what nobody waits for at its
//    address; of the latter the sender learns if it is connected (ECONNREFUSED at its next operation).
// 2. A connected socket takes only what its peer sends.
// 3. Any numeric address can be bound. Who is bound to all addresses, or to none, sends from the one that
//    it sends to.
#pragma once

#include <aloft/detail/reactor/datagram.hpp>
#include <aloft/detail/reactor/simulated_ports.hpp>
#include <aloft/detail/reactor/simulated_socket.hpp>
#if defined(_WIN32)
#include <aloft/detail/reactor/windows_simulation.hpp>
#else
#include <aloft/detail/reactor/posix_simulation.hpp>
#endif

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// A template for the reason that simulated_kernel is one.
template <class Nothing = void>
class simulated_datagrams {
public:
    class socket final : public simulated_socket, public std::enable_shared_from_this<socket> {
    public:
        socket(simulated_datagrams& network, bool v6) : network_(network) { local_.v6 = v6; }

        [[nodiscard]] std::int32_t attempt(operation& op) override {
            switch (op.kind) {
            case operation_kind::receive_message:
                return receive(*static_cast<datagram_message*>(op.address));
            case operation_kind::send_message:
                return send(*static_cast<const datagram_message*>(op.address));
            default:
                return -EOPNOTSUPP;
            }
        }

        [[nodiscard]] std::uint32_t readiness() const override {
            const std::uint32_t ready =
                POLLOUT | (inbox_.empty() && !shut_read_ ? 0u : std::uint32_t{POLLIN});
            return error_ != 0 ? ready | POLLERR : ready;
        }

        [[nodiscard]] int bind(const raw_endpoint& to) override {
            const int answer = network_.ports_.choose(local_, to);
            if (answer == 0) {
                network_.ports_.take(local_, this->weak_from_this());
            }
            return answer;
        }

        [[nodiscard]] int connect_now(const raw_endpoint& to) override {
            if (to.v6 != local_.v6) {
                return -EAFNOSUPPORT;
            }
            remote_ = to;
            connected_ = true;
            return 0;
        }

        [[nodiscard]] int shut_down(int how) override {
            if (!connected_) {
                return -ENOTCONN;
            }
            shut_read_ = shut_read_ || how != only_writing;
            shut_write_ = shut_write_ || how != only_reading;
            network_.around_.changed(*this);
            return 0;
        }

        [[nodiscard]] const raw_endpoint* remote() const noexcept override {
            return connected_ ? &remote_ : nullptr;
        }

        void closed() override { network_.ports_.give_back(local_); }

    private:
        struct message {
            raw_endpoint from;
            std::string bytes;
        };

        [[nodiscard]] simulated_dice& dice() const noexcept { return network_.around_.dice(); }

        [[nodiscard]] std::int32_t receive(datagram_message& into) {
            if (error_ != 0) {
                return -std::exchange(error_, 0);
            }
            if (inbox_.empty()) {
                return shut_read_ ? into.take(remote_, nullptr, 0) : not_yet;
            }
            const message first = std::move(inbox_.front());
            inbox_.pop_front();
            held_ -= first.bytes.size();
            return into.take(first.from, first.bytes.data(), first.bytes.size());
        }

        [[nodiscard]] std::int32_t send(const datagram_message& what) {
            if (error_ != 0) {
                return -std::exchange(error_, 0);
            }
            if (shut_write_) {
                return -EPIPE;
            }
            if (!what.has_peer() && !connected_) {
                return -EDESTADDRREQ;
            }
            const raw_endpoint to = what.has_peer() ? what.peer() : remote_;
            if (to.v6 != local_.v6) {
                return -EAFNOSUPPORT;
            }
            if (what.size() > longest_datagram(to.v6)) {
                return -EMSGSIZE;
            }
            const std::string bytes(static_cast<const char*>(what.bytes()), what.size());
            const bool lost = dice().draw_chance(dice().options().lost_datagrams());
            const bool doubled = dice().draw_chance(dice().options().doubled_datagrams());
            for (int copies = lost ? 0 : doubled ? 2 : 1; copies > 0; --copies) {
                const clock_ns delay = dice().draw_time(dice().options().network_delay());
                network_.around_.at(dice().now + delay, [self = this->shared_from_this(), to,
                                                         bytes] { self->arrive(to, bytes); });
            }
            return static_cast<std::int32_t>(bytes.size());
        }

        void arrive(const raw_endpoint& at, const std::string& bytes) {
            raw_endpoint from = at;
            from.port = local_.port;
            if (local_.bytes != raw_endpoint{}.bytes) {
                from = local_;
            }
            const std::shared_ptr<socket> to = network_.ports_.reached_by(at);
            if (to == nullptr) {
                if (connected_ && remote_ == at) {
                    error_ = ECONNREFUSED;
                    network_.around_.changed(*this);
                }
            } else if (to->takes(from, bytes.size())) {
                to->inbox_.push_back({from, bytes});
                to->held_ += bytes.size();
                network_.around_.changed(*to);
            }
        }

        [[nodiscard]] bool takes(const raw_endpoint& from, std::size_t bytes) const {
            return (!connected_ || from == remote_) &&
                   (inbox_.empty() || held_ + bytes <= dice().options().window_bytes());
        }

        simulated_datagrams& network_;
        bool connected_ = false;
        bool shut_read_ = false;
        bool shut_write_ = false;
        int error_ = 0; // reported once
        raw_endpoint remote_;
        std::deque<message> inbox_;
        std::size_t held_ = 0; // bytes in it
    };

    explicit simulated_datagrams(simulated_surroundings& around) noexcept : around_(around) {}

    [[nodiscard]] std::shared_ptr<socket> open(bool v6) {
        return std::make_shared<socket>(*this, v6);
    }

private:
    simulated_surroundings& around_;
    simulated_ports<socket> ports_;
};

} // namespace aloft::inline ALOFT_ABI::detail

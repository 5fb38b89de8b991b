// SPDX-License-Identifier: MIT
// TCP between the sockets of one simulated world.
// Layer: L2 reactor
//
//   fresh --bind, listen--> listening --shut or closed--> ended
//   fresh --connect--> connecting --answer--> connected | ended (refused)
//   connected --reset, by either end or by the dice--> ended
//
// 1. What travels to a socket (bytes, the peer's end, a reset) arrives in the order in which it was
//    sent, each some time later. Bytes that travel or have not been read fill the window; a writer
//    waits while there is no room.
// 2. Bytes that have arrived are read before an end or a reset is reported. Bytes for a socket that
//    has been closed are answered with a reset.
// 3. Any numeric address can be bound: a world has as many hosts as a program names.
#pragma once

#include <aloft/detail/base/lean_algorithm.hpp>
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
#include <cstring>
#include <deque>
#include <string>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// A template for the reason that simulated_kernel is one.
template <class Nothing = void>
class simulated_network {
public:
    class socket final : public simulated_socket, public std::enable_shared_from_this<socket> {
    public:
        socket(simulated_network& network, bool v6) : network_(network) { local_.v6 = v6; }

        [[nodiscard]] std::int32_t attempt(operation& op) override {
            switch (op.kind) {
            case operation_kind::connect:
                return connect(static_cast<const sockaddr*>(op.address));
            case operation_kind::accept:
                return accept(op);
            case operation_kind::read:
            case operation_kind::receive:
                return receive(op);
            case operation_kind::write:
            case operation_kind::send:
                return send(op);
            default:
                return -EINVAL;
            }
        }

        [[nodiscard]] std::uint32_t readiness() const override {
            std::uint32_t ready = 0;
            if (phase_ == phase_kind::listening) {
                return pending_.empty() ? 0u : std::uint32_t{POLLIN};
            }
            if (!inbox_.empty() || peer_ended_ || shut_read_ || phase_ == phase_kind::ended) {
                ready |= POLLIN;
            }
            if (phase_ == phase_kind::ended) {
                ready |= POLLHUP | POLLOUT;
            } else if (phase_ == phase_kind::connected && room() > 0) {
                ready |= POLLOUT;
            }
            return error_ != 0 ? ready | POLLERR : ready;
        }

        [[nodiscard]] int bind(const raw_endpoint& to) override {
            return phase_ == phase_kind::fresh ? network_.ports_.choose(local_, to) : -EINVAL;
        }

        [[nodiscard]] int listen(int backlog) override {
            if (phase_ != phase_kind::fresh || local_.port == 0) {
                return -EINVAL;
            }
            if (network_.ports_.at(local_) != nullptr) {
                return -EADDRINUSE;
            }
            backlog_ = static_cast<std::size_t>((std::max)(backlog, 1));
            phase_ = phase_kind::listening;
            network_.ports_.take(local_, this->weak_from_this());
            return 0;
        }

        [[nodiscard]] int shut_down(int how) override {
            if (phase_ == phase_kind::listening) {
                stop_listening();
                return 0;
            }
            if (phase_ != phase_kind::connected) {
                return -ENOTCONN;
            }
            shut_read_ = shut_read_ || how != only_writing;
            if (how != only_reading && !std::exchange(shut_write_, true)) {
                send_end();
            }
            network_.around_.changed(*this);
            return 0;
        }

        [[nodiscard]] const raw_endpoint* remote() const noexcept override {
            return phase_ == phase_kind::connected ? &remote_ : nullptr;
        }

        void closed() override {
            closed_ = true;
            if (phase_ == phase_kind::listening) {
                stop_listening();
            } else if (phase_ == phase_kind::connected) {
                if (!inbox_.empty()) {
                    send_reset(); // somebody's bytes are thrown away: tell him
                } else if (!shut_write_) {
                    send_end();
                }
            }
        }

    private:
        enum class phase_kind : unsigned char { fresh, connecting, connected, listening, ended };

        [[nodiscard]] simulated_dice& dice() const noexcept { return network_.around_.dice(); }

        // ---- connections ---------------------------------------------------------------------

        [[nodiscard]] std::int32_t connect(const sockaddr* address) {
            switch (phase_) {
            case phase_kind::fresh:
                remote_ = from_socket_address(address);
                phase_ = phase_kind::connecting;
                ask();
                return not_yet;
            case phase_kind::connecting:
                return not_yet;
            case phase_kind::connected:
                return std::exchange(answered_, true) ? -EISCONN : 0;
            default:
                return error_ != 0 ? -std::exchange(error_, 0) : -EINVAL;
            }
        }

        void ask() {
            arrive_later(*this, [self = this->shared_from_this()] {
                if (self->closed_ || self->phase_ != phase_kind::connecting) {
                    return;
                }
                const std::shared_ptr<socket> listener =
                    self->network_.ports_.reached_by(self->remote_);
                if (listener == nullptr ||
                    self->dice().draw_chance(self->dice().options().refusals())) {
                    self->fail(ECONNREFUSED);
                } else if (listener->pending_.size() >= listener->backlog_) {
                    self->network_.around_.at(self->dice().now + 1'000'000'000,
                                              [self] { self->ask(); }); // as TCP does
                } else {
                    self->join(*listener);
                }
            });
        }

        void join(socket& listener) {
            if (local_.port == 0) {
                local_ = remote_;
                local_.port = network_.ports_.free_port();
            }
            auto other = std::make_shared<socket>(network_, remote_.v6);
            other->local_ = remote_;
            other->remote_ = local_;
            other->phase_ = phase_ = phase_kind::connected;
            other->answered_ = true;
            other->peer_ = this->weak_from_this();
            peer_ = other;
            listener.pending_.push_back(std::move(other));
            network_.around_.changed(listener);
            network_.around_.changed(*this);
        }

        [[nodiscard]] std::int32_t accept(const operation& op) {
            if (phase_ != phase_kind::listening) {
                return -EINVAL;
            }
            if (pending_.empty()) {
                return not_yet;
            }
            const std::shared_ptr<socket> next = std::move(pending_.front());
            pending_.pop_front();
            return hand_over(op, next->remote_, next, network_.around_);
        }

        void stop_listening() {
            phase_ = phase_kind::ended;
            network_.ports_.give_back(local_);
            for (const std::shared_ptr<socket>& each : std::exchange(pending_, {})) {
                each->send_reset();
            }
            network_.around_.changed(*this);
        }

        void fail(int error) {
            error_ = error;
            phase_ = phase_kind::ended;
            network_.around_.changed(*this);
        }

        // ---- bytes ---------------------------------------------------------------------------

        /// How many bytes may be sent now.
        [[nodiscard]] std::size_t room() const {
            const std::shared_ptr<socket> to = peer_.lock();
            const std::size_t window = dice().options().window_bytes();
            if (to == nullptr || to->closed_) {
                return window; // they will be answered with a reset
            }
            const std::size_t used = to->travelling_ + to->inbox_.size();
            return used < window ? window - used : 0;
        }

        [[nodiscard]] std::int32_t receive(operation& op) {
            if (phase_ == phase_kind::fresh || phase_ == phase_kind::connecting) {
                return -ENOTCONN;
            }
            if (phase_ == phase_kind::connected && breaks()) {
                return -ECONNRESET;
            }
            if (op.length == 0) {
                return 0;
            }
            if (!inbox_.empty() && !shut_read_) {
                const std::size_t count =
                    dice().draw_transfer(std::min<std::size_t>(op.length, inbox_.size()));
                std::memcpy(op.address, inbox_.data(), count);
                inbox_.erase(0, count);
                if (const std::shared_ptr<socket> from = peer_.lock()) {
                    network_.around_.changed(*from); // there is room again
                }
                return static_cast<std::int32_t>(count);
            }
            if (error_ != 0) {
                return -std::exchange(error_, 0);
            }
            return peer_ended_ || shut_read_ || phase_ == phase_kind::ended ? 0 : not_yet;
        }

        [[nodiscard]] std::int32_t send(const operation& op) {
            if (phase_ == phase_kind::fresh || phase_ == phase_kind::connecting) {
                return -ENOTCONN;
            }
            if (phase_ == phase_kind::connected && breaks()) {
                return -ECONNRESET;
            }
            if (error_ != 0) {
                return -std::exchange(error_, 0);
            }
            if (shut_write_ || phase_ == phase_kind::ended) {
                return -EPIPE;
            }
            const std::size_t most = std::min<std::size_t>(op.length, room());
            if (most == 0) {
                return op.length == 0 ? 0 : not_yet;
            }
            const std::size_t count = dice().draw_transfer(most);
            std::string bytes(static_cast<const char*>(op.address), count);
            if (const std::shared_ptr<socket> to = peer_.lock(); to != nullptr && !to->closed_) {
                to->travelling_ += count;
                arrive_later(*to, [to, sent = std::move(bytes)] {
                    to->travelling_ -= sent.size();
                    if (to->closed_) {
                        to->send_reset();
                    } else if (to->phase_ == phase_kind::connected) {
                        to->inbox_ += sent;
                        to->network_.around_.changed(*to);
                    }
                });
            } else {
                arrive_later(*this, [self = this->shared_from_this()] { self->be_reset(); });
            }
            return static_cast<std::int32_t>(count);
        }

        /// Whether the dice say that the connection breaks now.
        [[nodiscard]] bool breaks() {
            if (!dice().draw_chance(dice().options().resets())) {
                return false;
            }
            send_reset();
            phase_ = phase_kind::ended;
            return true;
        }

        template <class Event>
        void arrive_later(socket& to, Event event) {
            const clock_ns delay = dice().draw_time(dice().options().network_delay());
            to.last_arrival_ = (std::max)(to.last_arrival_, dice().now + delay);
            network_.around_.at(to.last_arrival_, std::move(event));
        }

        void send_end() {
            if (const std::shared_ptr<socket> to = peer_.lock()) {
                arrive_later(*to, [to] {
                    to->peer_ended_ = true;
                    to->network_.around_.changed(*to);
                });
            }
        }

        void send_reset() {
            if (const std::shared_ptr<socket> to = peer_.lock()) {
                arrive_later(*to, [to] { to->be_reset(); });
            }
        }

        void be_reset() {
            if (phase_ == phase_kind::connected) {
                fail(ECONNRESET);
            }
        }

        simulated_network& network_;
        phase_kind phase_ = phase_kind::fresh;
        bool answered_ = false; // the connecting task knows
        bool shut_read_ = false;
        bool shut_write_ = false;
        bool peer_ended_ = false;
        bool closed_ = false;
        int error_ = 0; // reported once
        raw_endpoint remote_;
        std::weak_ptr<socket> peer_;
        clock_ns last_arrival_ = 0;
        std::size_t travelling_ = 0; // bytes on their way here
        std::string inbox_;
        std::size_t backlog_ = 0;
        std::deque<std::shared_ptr<socket>> pending_; // connections that nobody has accepted
    };

    explicit simulated_network(simulated_surroundings& around) noexcept : around_(around) {}

    [[nodiscard]] std::shared_ptr<socket> open(bool v6) {
        return std::make_shared<socket>(*this, v6);
    }

private:
    simulated_surroundings& around_;
    simulated_ports<socket> ports_; // those who listen
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// open_loop: sends requests when they are due, whether or not earlier answers have come, and counts
// their delays from when they were due.
#pragma once

#include "client.hpp"
#include "epoll.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

namespace field {

class open_loop {
public:
    /// Connects. Gives the calling thread the real-time priority that its schedule needs, if that
    /// is allowed; the server, which is started already, does not inherit it.
    open_loop(std::uint16_t port, std::size_t connections, double rate);

    /// Until all answers are there. Delays count only for what is due from `warm_up` on. `choose`
    /// is asked for each request what it shall be, with the seconds since the beginning when it is
    /// due.
    void run(double warm_up, double seconds, const std::function<kind_of_request(double)>& choose);

    [[nodiscard]] bool real_time() const { return real_time_; }

    std::vector<double> light; // milliseconds
    std::vector<double> heavy;
    std::vector<double> late; // of this thread, not of the server

private:
    struct request {
        double due;
        kind_of_request kind;
    };

    void send_waiting();
    void answer(std::size_t connection);

    std::vector<client> clients_;
    epoll epoll_;
    std::deque<std::size_t> free_;
    std::deque<request> waiting_;
    std::vector<request> under_way_;
    double period_;
    double counts_from_ = 0;
    bool real_time_ = false;
};

} // namespace field

// SPDX-License-Identifier: MIT
// echo_load: clients of an echo server, all on the calling thread. Every connection has one request
// in flight; as soon as its answer is complete, and right, the next one is sent.
#pragma once

#include "support/descriptor.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

class echo_load {
public:
    /// Connects all and sends the first requests. Messages have 16 bytes or more.
    echo_load(std::uint16_t port, std::size_t connections, std::size_t message_size);

    /// Runs until `count` further answers have come, or somewhat more; gives how many.
    std::int64_t run(std::int64_t count);

private:
    struct client {
        descriptor socket;
        std::vector<std::byte> request;
        std::vector<std::byte> answer;
        std::size_t received = 0; ///< bytes of the answer
    };

    void send_next(client& c, std::uint64_t number);
    /// Whether an answer is complete.
    [[nodiscard]] bool receive(client& c);

    std::vector<client> clients_;
    descriptor epoll_;
    std::uint64_t requests_ = 0;
};

} // namespace bench

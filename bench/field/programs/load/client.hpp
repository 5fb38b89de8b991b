// SPDX-License-Identifier: MIT
// client: one connection of the load generator: a request, its answer, and whether they are the
// same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace field {

/// What it makes the server do before it answers: nothing, compute for 20 ms, or for a second.
enum class kind_of_request : char { light = 'a', heavy = 'H', hog = 'W' };

class client {
public:
    /// Connects. Requests are in lower-case letters: a capital one in front makes the server
    /// compute.
    client(std::uint16_t port, std::size_t message_size, std::size_t number);
    client(client&& other) noexcept;
    client& operator=(client&&) = delete;
    ~client();

    [[nodiscard]] int fd() const { return fd_; }

    /// A request always fits into the socket's buffer.
    void send(kind_of_request kind = kind_of_request::light);
    /// Takes what is there; true if that completes the answer, which must be right.
    [[nodiscard]] bool receive();
    /// The same, but waits for the whole answer.
    void wait_for_answer();
    /// The same, but looks again and again instead.
    void spin_for_answer();

private:
    [[nodiscard]] bool take(std::ptrdiff_t size);

    int fd_;
    std::size_t received_ = 0;
    std::string request_;
    std::string answer_;
};

} // namespace field

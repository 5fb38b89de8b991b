// SPDX-License-Identifier: MIT
#include "client.hpp"

#include "../measure.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace field {

client::client(std::uint16_t port, std::size_t message_size, std::size_t number)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      request_(message_size, 'a'),
      answer_(message_size, '-') {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    must_be(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
            "connect");
    const int on = 1;
    (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (std::size_t i = 1; i < message_size; ++i) {
        request_[i] = static_cast<char>('a' + (number + i) % 26);
    }
}

client::client(client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      received_(other.received_),
      request_(std::move(other.request_)),
      answer_(std::move(other.answer_)) {}

client::~client() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void client::send(kind_of_request kind) {
    const char first = static_cast<char>(kind);
    // No answer to an earlier request is the same as this one's.
    request_[0] = kind != kind_of_request::light || request_[0] != first ? first : 'b';
    received_ = 0;
    const ssize_t sent = ::send(fd_, request_.data(), request_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    must_be(sent == static_cast<ssize_t>(request_.size()), "send");
}

bool client::take(std::ptrdiff_t size) {
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    must_be(size > 0, "the server closed a connection");
    received_ += static_cast<std::size_t>(size);
    if (received_ < answer_.size()) {
        return false;
    }
    must_be(answer_ == request_, "the answer");
    return true;
}

bool client::receive() {
    return take(::recv(fd_, answer_.data() + received_, answer_.size() - received_, MSG_DONTWAIT));
}

void client::wait_for_answer() {
    while (!take(::recv(fd_, answer_.data() + received_, answer_.size() - received_, 0))) {
    }
}

void client::spin_for_answer() {
    while (!receive()) {
    }
}

} // namespace field

// SPDX-License-Identifier: MIT
#include "support/echo_load.hpp"

#include "support/listener.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace bench {

echo_load::echo_load(std::uint16_t port, std::size_t connections, std::size_t message_size)
    : clients_(connections), epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    const sockaddr_in address = loopback(port);
    for (std::size_t i = 0; i < clients_.size(); ++i) {
        client& c = clients_[i];
        c.socket = descriptor(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        const int fd = c.socket.get();
        check(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address),
              "connect");
        set_no_delay(fd);
        c.request.resize(message_size);
        c.answer.resize(message_size);
        for (std::size_t at = 0; at < message_size; ++at) {
            c.request[at] = static_cast<std::byte>(i + at);
        }
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }
    for (client& c : clients_) {
        send_next(c, requests_++);
    }
}

void echo_load::send_next(client& c, std::uint64_t number) {
    std::memcpy(c.request.data(), &number, sizeof number);
    c.received = 0;
    // One request per connection always fits into the socket's buffer.
    const ssize_t sent =
        ::send(c.socket.get(), c.request.data(), c.request.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != static_cast<ssize_t>(c.request.size())) {
        throw_errno("send a request", sent < 0 ? errno : EMSGSIZE);
    }
}

bool echo_load::receive(client& c) {
    const ssize_t size = ::recv(c.socket.get(), c.answer.data() + c.received,
                                c.answer.size() - c.received, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (size <= 0) {
        throw std::runtime_error("the server closed a connection");
    }
    c.received += static_cast<std::size_t>(size);
    if (c.received < c.answer.size()) {
        return false;
    }
    if (c.answer != c.request) {
        throw std::runtime_error("the server sent something else back");
    }
    return true;
}

std::int64_t echo_load::run(std::int64_t count) {
    std::array<epoll_event, 512> events;
    std::int64_t answers = 0;
    while (answers < count) {
        const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), 10'000);
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (check(ready, "epoll_wait") == 0) {
            throw std::runtime_error("the server has not answered for 10 s");
        }
        for (std::size_t i = 0; i < static_cast<std::size_t>(ready); ++i) {
            client& c = clients_[events[i].data.u64];
            if (receive(c)) {
                ++answers;
                send_next(c, requests_++);
            }
        }
    }
    return answers;
}

} // namespace bench

// SPDX-License-Identifier: MIT
// epoll: which of the load generator's connections have an answer.
#pragma once

#include "client.hpp"

#include "../measure.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <vector>

namespace field {

class epoll {
public:
    explicit epoll(const std::vector<client>& clients) : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
        for (std::size_t i = 0; i < clients.size(); ++i) {
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u64 = i;
            must_be(::epoll_ctl(fd_, EPOLL_CTL_ADD, clients[i].fd(), &event) == 0, "epoll_ctl");
        }
    }
    epoll(const epoll&) = delete;
    epoll& operator=(const epoll&) = delete;
    ~epoll() { ::close(fd_); }

    /// Waits, and calls `handle` with the number of each connection that is ready; false if none
    /// was.
    template <class Handle>
    bool wait(double seconds, Handle handle) {
        std::array<epoll_event, 512> events;
        const auto whole = static_cast<time_t>(seconds);
        const std::timespec limit{whole,
                                  static_cast<long>((seconds - static_cast<double>(whole)) * 1e9)};
        const int ready = ::epoll_pwait2(fd_, events.data(), events.size(), &limit, nullptr);
        must_be(ready >= 0 || errno == EINTR, "epoll_pwait2");
        for (std::size_t i = 0; ready > 0 && i < static_cast<std::size_t>(ready); ++i) {
            handle(static_cast<std::size_t>(events[i].data.u64));
        }
        return ready > 0;
    }

private:
    int fd_;
};

} // namespace field

// SPDX-License-Identifier: MIT
// What the echo servers share: they print `port=`, then answer each line on their standard input
// with the processor time that they have used, and end when it ends. A request that begins with 'H'
// is heavy: the server computes for 20 ms before it answers; for one with 'W', for a second.
#pragma once

#include "work.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace field {

inline constexpr std::size_t largest_message = 4096;

/// Calibrates when it is first called.
inline const work& heavy_work() {
    static const work heavy(0.02);
    return heavy;
}

inline void compute_if_heavy(char first) {
    if (first < 'a') [[unlikely]] {
        for (int i = 0; i < (first == 'W' ? 50 : 1); ++i) {
            heavy_work()();
        }
    }
}

inline double seconds_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

/// Returns at once; a thread goes on, and ends the process when nobody wants the server any more.
inline void serve_control(std::uint16_t port) {
    (void)heavy_work();
    std::printf("port=%u\n", unsigned{port});
    std::fflush(stdout);
    std::thread([] {
        char line[64];
        while (std::fgets(line, sizeof line, stdin) != nullptr) {
            rusage used{};
            getrusage(RUSAGE_SELF, &used);
            std::printf("%.6f %.6f\n", seconds_of(used.ru_utime), seconds_of(used.ru_stime));
            std::fflush(stdout);
        }
        std::_Exit(0);
    }).detach();
}

/// A listening socket on a free port of the loopback device, for servers without a library.
struct plain_listener {
    int fd;
    std::uint16_t port;

    plain_listener() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), port(0) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        must_be(fd >= 0 && ::bind(fd, generic, size) == 0 && ::listen(fd, 4096) == 0 &&
                    ::getsockname(fd, generic, &size) == 0,
                "listen");
        port = ntohs(address.sin_port);
    }
};

inline void set_no_delay(int fd) {
    const int on = 1;
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

} // namespace field

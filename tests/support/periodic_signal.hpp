// SPDX-License-Identifier: MIT
// Interrupts the system calls of this process's threads many times a second (EINTR).
#pragma once

#include <signal.h>
#include <time.h>

#include <atomic>
#include <cerrno>
#include <system_error>

namespace test_support {

class periodic_signal {
public:
    explicit periodic_signal(long nanoseconds) {
        struct sigaction action{};
        action.sa_handler = [](int) { deliveries().fetch_add(1); }; // no SA_RESTART
        ::sigaction(SIGUSR2, &action, &before_);
        sigevent event{};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGUSR2;
        if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) {
            throw std::system_error(errno, std::system_category(), "timer_create");
        }
        const itimerspec period{{0, nanoseconds}, {0, nanoseconds}};
        ::timer_settime(timer_, 0, &period, nullptr);
    }
    periodic_signal(const periodic_signal&) = delete;
    periodic_signal& operator=(const periodic_signal&) = delete;
    ~periodic_signal() {
        ::timer_delete(timer_);
        // One that is pending still must find the handler: what was before may end the program.
        before_.sa_handler = SIG_IGN;
        ::sigaction(SIGUSR2, &before_, nullptr);
    }

    [[nodiscard]] static std::atomic<long>& deliveries() {
        static std::atomic<long> count{0};
        return count;
    }

private:
    struct sigaction before_{};
    timer_t timer_{};
};

} // namespace test_support

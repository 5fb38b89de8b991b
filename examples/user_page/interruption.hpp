// SPDX-License-Identifier: MIT Ctrl-C as an exception, so that the database, the API and the
// folders go the usual way.
#pragma once

#include <csignal>
#include <stdexcept>

namespace user_page {

class interrupted : public std::runtime_error {
public:
    interrupted() : std::runtime_error("interrupted") {}
};

namespace detail {

inline volatile std::sig_atomic_t interruption_requested = 0;

} // namespace detail

/// From now on SIGINT, SIGTERM and SIGHUP only make check_interruption() throw.
inline void watch_for_interruption() {
    struct sigaction action{};
    action.sa_handler = [](int) { detail::interruption_requested = 1; };
    ::sigemptyset(&action.sa_mask);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        ::sigaction(signal, &action, nullptr);
    }
}

inline void check_interruption() {
    if (detail::interruption_requested != 0) {
        throw interrupted();
    }
}

} // namespace user_page

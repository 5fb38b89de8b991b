// SPDX-License-Identifier: MIT
#include "system_calls.hpp"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

namespace field {

system_call_counter::system_call_counter(const server_process& server) {
    std::uint64_t point = 0;
    std::ifstream("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id") >> point;
    if (point == 0) {
        return;
    }
    perf_event_attr wanted{};
    wanted.type = PERF_TYPE_TRACEPOINT;
    wanted.size = sizeof wanted;
    wanted.config = point;
    wanted.inherit = 1;
    for (const pid_t each : server.threads()) {
        const long fd = ::syscall(SYS_perf_event_open, &wanted, each, -1, -1, PERF_FLAG_FD_CLOEXEC);
        if (fd >= 0) {
            counters_.push_back(static_cast<int>(fd));
        }
    }
}

system_call_counter::~system_call_counter() {
    for (const int each : counters_) {
        ::close(each);
    }
}

std::optional<double> system_call_counter::count() const {
    if (counters_.empty()) {
        return std::nullopt;
    }
    double sum = 0;
    for (const int each : counters_) {
        std::uint64_t calls = 0;
        if (::read(each, &calls, sizeof calls) == sizeof calls) {
            sum += static_cast<double>(calls);
        }
    }
    return sum;
}

} // namespace field

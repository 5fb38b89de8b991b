// SPDX-License-Identifier: MIT
// system_call_counter: how many system calls a process makes, from the kernel's trace point. It
// does not stop the process at each, as strace does, but it may be forbidden, or tracefs not
// mounted.
#pragma once

#include "server_process.hpp"

#include <optional>
#include <vector>

namespace field {

class system_call_counter {
public:
    /// Counts from now on in all threads that the server has, and those that they start.
    explicit system_call_counter(const server_process& server);
    system_call_counter(const system_call_counter&) = delete;
    system_call_counter& operator=(const system_call_counter&) = delete;
    ~system_call_counter();

    /// Nothing if it is not allowed.
    [[nodiscard]] std::optional<double> count() const;

private:
    std::vector<int> counters_;
};

} // namespace field

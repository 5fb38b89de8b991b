// SPDX-License-Identifier: MIT
// server_process: a server that the load generator starts, asks for its figures, and ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace field {

/// Seconds.
struct processor_time {
    double user = 0;
    double system = 0;
    [[nodiscard]] double total() const { return user + system; }
};

enum class placement { anywhere, beside_load };

class server_process {
public:
    /// Starts it and waits for its port. `beside_load`: this process takes the last processor, the
    /// server gets the others.
    server_process(char** command, placement where);
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;
    ~server_process();

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] pid_t id() const { return id_; }

    /// What it has used so far, by its own account.
    [[nodiscard]] processor_time used() const;

    [[nodiscard]] std::vector<pid_t> threads() const;
    /// Of the threads that live now, voluntary ones.
    [[nodiscard]] double context_switches() const;
    /// Of the threads that live now, in seconds, from the scheduler's own account.
    [[nodiscard]] double scheduled() const;

private:
    pid_t id_ = 0;
    std::uint16_t port_ = 0;
    std::FILE* to_ = nullptr;
    std::FILE* from_ = nullptr;
};

} // namespace field

// SPDX-License-Identifier: MIT
// Signals for POSIX: a handler that writes the signal's number into the pipe of the set that owns
// it (posix_signal_definitions.hpp).
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/descriptor.hpp>
#include <aloft/detail/surface/io_awaitable.hpp>

#include <signal.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

class signal_wait_request {
public:
    using value_type = int;
    explicit signal_wait_request(int read_end) noexcept : read_end_(read_end) {}

    int prepare(operation& op) noexcept {
        op.kind = operation_kind::read;
        op.fd = read_end_;
        op.address = &number_;
        op.length = 1;
        op.offset = current_position;
        return 0;
    }
    [[nodiscard]] int finish(std::int32_t) const noexcept { return number_; }
    [[nodiscard]] std::string name() const { return "wait for a signal"; }

private:
    int read_end_;
    unsigned char number_ = 0;
};

class signal_source {
public:
    ALOFT_SEPARABLE explicit signal_source(std::initializer_list<int> numbers);
    signal_source(const signal_source&) = delete;
    signal_source& operator=(const signal_source&) = delete;
    ALOFT_SEPARABLE ~signal_source();

    [[nodiscard]] auto wait() { return io_awaitable(signal_wait_request(read_end_.get())); }

private:
    void claim(int number);
    void give_up() noexcept;

    descriptor read_end_;
    descriptor write_end_;
    std::vector<std::pair<int, struct sigaction>> claimed_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// Signals for POSIX: reads their numbers from a pipe (posix_signal_pipe.hpp).
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/io_awaitable.hpp>
#include <aloft/detail/surface/posix_signal_pipe.hpp>

#if !ALOFT_SEPARATE
#include <aloft/detail/surface/posix_signal_pipe_definitions.hpp>
#endif

#include <cstdint>
#include <initializer_list>
#include <string>

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
    explicit signal_source(std::initializer_list<int> numbers) : pipe_(numbers) {}

    [[nodiscard]] auto wait() { return io_awaitable(signal_wait_request(pipe_.read_end())); }

private:
    signal_pipe pipe_;
};

} // namespace aloft::inline ALOFT_ABI::detail

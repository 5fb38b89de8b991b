// SPDX-License-Identifier: MIT
// Signals for POSIX: a handler that writes the signal's number into the pipe of the set that owns
// it. Proof: posix_signal_pipe_definitions.hpp.
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/descriptor.hpp>

#include <signal.h>

#include <initializer_list>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

/// Owns signals while it lives. Each that comes is one byte, its number.
class signal_pipe {
public:
    ALOFT_SEPARABLE explicit signal_pipe(std::initializer_list<int> numbers);
    signal_pipe(const signal_pipe&) = delete;
    signal_pipe& operator=(const signal_pipe&) = delete;
    ALOFT_SEPARABLE ~signal_pipe();

    [[nodiscard]] int read_end() const noexcept { return read_end_.get(); }

private:
    ALOFT_SEPARABLE void claim(int number);
    ALOFT_SEPARABLE void give_up() noexcept;

    descriptor read_end_;
    descriptor write_end_;
    std::vector<std::pair<int, struct sigaction>> claimed_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// signal_set: waits for signals as for any other input.
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/io_awaitable.hpp>
#include <aloft/detail/surface/posix_signal.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: `signal_set stop{SIGINT, SIGTERM}; int number = co_await stop.wait();`
/// While the set lives, its signals no longer do what they did before; then they do again.
///
/// Thread safety: one wait at a time. A signal may arrive on any thread.
/// Lifetime: must outlive its waits. A signal belongs to one set at a time.
/// Errors: the constructor throws std::system_error: invalid_argument for what is no signal or
/// cannot be caught, device_or_resource_busy if another set has it.
/// Cancellation: std::errc::operation_canceled when the task is stopped or the runtime ends.
/// Cost: a pipe per set; a wait is one ring operation.
class signal_set {
public:
    signal_set(std::initializer_list<int> numbers) : pipe_(new detail::signal_pipe(numbers)) {}
    signal_set(signal_set&& other) noexcept : pipe_(std::exchange(other.pipe_, nullptr)) {}
    signal_set& operator=(signal_set&& other) noexcept {
        if (this != &other) {
            delete std::exchange(pipe_, std::exchange(other.pipe_, nullptr));
        }
        return *this;
    }
    ~signal_set() { delete pipe_; }

    class wait_request {
    public:
        using value_type = int;
        explicit wait_request(int read_end) noexcept : read_end_(read_end) {}

        int prepare(detail::operation& op) noexcept {
            op.kind = detail::operation_kind::read;
            op.fd = read_end_;
            op.address = &number_;
            op.length = 1;
            op.offset = detail::current_position;
            return 0;
        }
        [[nodiscard]] int finish(std::int32_t) const noexcept { return number_; }
        [[nodiscard]] std::string name() const { return "wait for a signal"; }

    private:
        int read_end_;
        unsigned char number_ = 0;
    };

    /// Waits for the next signal of the set; gives its number. Signals that came before are kept.
    [[nodiscard]] auto wait() const {
        return detail::io_awaitable(wait_request(pipe_->read_end()));
    }

private:
    detail::signal_pipe* pipe_; // nullptr: moved from
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// signal_set: waits for signals as for any other input.
// Layer: L4 surface
#pragma once

#if defined(_WIN32)
#include <aloft/detail/surface/windows_signal.hpp>
#else
#include <aloft/detail/surface/posix_signal.hpp>
#endif

#include <initializer_list>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: `signal_set stop{SIGINT, SIGTERM}; int number = co_await stop.wait();`
/// While the set lives, its signals no longer do what they did before; then they do again.
///
/// On Windows the signals are SIGINT (Ctrl+C), SIGBREAK (Ctrl+Break), and SIGTERM for the window's
/// being closed, logging off and shutting down; what the program itself raises with raise() is not among
/// them. After a SIGTERM there the system ends the process after some seconds, whatever it does.
///
/// Thread safety: one wait at a time. A signal may arrive on any thread.
/// Lifetime: must outlive its waits. A signal belongs to one set at a time.
/// Errors: the constructor throws std::system_error: invalid_argument for what is no signal or
/// cannot be caught, device_or_resource_busy if another set has it.
/// Cancellation: std::errc::operation_canceled when the task is stopped or the runtime ends.
/// Cost: a pipe per set; a wait is one ring operation. On Windows no pipe, and a task per wait.
class signal_set {
public:
    signal_set(std::initializer_list<int> numbers) : source_(new detail::signal_source(numbers)) {}
    signal_set(signal_set&& other) noexcept : source_(std::exchange(other.source_, nullptr)) {}
    signal_set& operator=(signal_set&& other) noexcept {
        if (this != &other) {
            delete std::exchange(source_, std::exchange(other.source_, nullptr));
        }
        return *this;
    }
    ~signal_set() { delete source_; }

    /// Waits for the next signal of the set; gives its number. Signals that came before are kept.
    [[nodiscard]] auto wait() const { return source_->wait(); }

private:
    detail::signal_source* source_; // nullptr: moved from
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// Signals for Windows: a handler of console events that gives each to the set that owns its signal.
// Layer: L4 surface
//
// 1. The system calls the handler on a thread that it starts for the event, so the handler may take
//    locks and post tasks.
// 2. The table of owners is under one lock, which the handler holds while it gives an event to a set.
//    So a set that has given its signals up is not touched any more.
// 3. An event that nobody owns goes to the handlers that were there before. Ours stays behind: to take
//    it out while the system calls it could make a later event of the same set get lost.
// 4. The system ends the process when the handler returns from a close, log-off or shutdown event, or
//    after some seconds. So the handler does not return from those: the process ends when main() does.
#pragma once

#if defined(_WIN32)

#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/reactor/simulated_calls.hpp>
#include <aloft/detail/reactor/windows_api.hpp>
#include <aloft/error.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/task.hpp>

#include <array>
#include <csignal>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

class signal_source;

class console_signals {
public:
    static constexpr std::array<int, 3> numbers{SIGINT, SIGBREAK, SIGTERM};

    /// The owner's place, or nullptr: that is no signal.
    [[nodiscard]] signal_source** place_of(int number) noexcept {
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            if (numbers[i] == number) {
                return &owners_[i];
            }
        }
        return nullptr;
    }

    spin_lock lock;

private:
    std::array<signal_source*, numbers.size()> owners_{};
};

constinit inline console_signals signals_of_console{};

/// Whether somebody has taken it. Called by the system, and by tests.
[[nodiscard]] inline bool deliver_signal(int number) noexcept;
BOOL WINAPI on_console_event(DWORD event) noexcept;

class signal_source {
public:
    explicit signal_source(std::initializer_list<int> numbers) {
        static const bool installed = ::SetConsoleCtrlHandler(&on_console_event, TRUE) != 0;
        if (!installed) {
            throw_errno(static_cast<int>(::GetLastError()), "signal_set: SetConsoleCtrlHandler");
        }
        try {
            for (const int each : numbers) {
                claim(each);
            }
        } catch (...) {
            give_up();
            throw;
        }
    }
    signal_source(const signal_source&) = delete;
    signal_source& operator=(const signal_source&) = delete;
    ~signal_source() { give_up(); }

    [[nodiscard]] task<int> wait() {
        if (simulated_here() != nullptr) {
            throw_errno(ERROR_INVALID_HANDLE, "wait for a signal");
        }
        co_await arrived_.acquire();
        co_return take();
    }

    /// Under the lock of the table. What nobody fetches is kept, up to a number.
    void put(int number) noexcept {
        if (count_ < kept_.size()) {
            kept_[(first_ + count_++) % kept_.size()] = number;
            arrived_.release();
        }
    }

private:
    [[nodiscard]] int take() noexcept {
        const spin_guard guard(signals_of_console.lock);
        const int number = kept_[first_];
        first_ = (first_ + 1) % kept_.size();
        --count_;
        return number;
    }

    void claim(int number) {
        signal_source** const place = signals_of_console.place_of(number);
        if (place == nullptr) {
            throw_error(std::make_error_code(std::errc::invalid_argument),
                        "signal_set: " + std::to_string(number) +
                            " is no signal that can be caught here");
        }
        bool taken = false;
        {
            const spin_guard guard(signals_of_console.lock);
            taken = *place != nullptr;
            *place = taken ? *place : this;
        }
        if (taken) {
            throw_error(std::make_error_code(std::errc::device_or_resource_busy),
                        "signal_set: another set waits for signal " + std::to_string(number));
        }
    }

    void give_up() noexcept {
        const spin_guard guard(signals_of_console.lock);
        for (const int each : console_signals::numbers) {
            signal_source** const place = signals_of_console.place_of(each);
            *place = *place == this ? nullptr : *place;
        }
    }

    semaphore arrived_{0};
    std::array<int, 256> kept_{};
    std::size_t first_ = 0;
    std::size_t count_ = 0;
};

inline bool deliver_signal(int number) noexcept {
    const spin_guard guard(signals_of_console.lock);
    signal_source* const owner = *signals_of_console.place_of(number);
    if (owner != nullptr) {
        owner->put(number);
    }
    return owner != nullptr;
}

inline BOOL WINAPI on_console_event(DWORD event) noexcept {
    const int number = event == CTRL_C_EVENT       ? SIGINT
                       : event == CTRL_BREAK_EVENT ? SIGBREAK
                                                   : SIGTERM;
    if (!deliver_signal(number)) {
        return FALSE;
    }
    if (number == SIGTERM) {
        ::Sleep(INFINITE);
    }
    return TRUE;
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

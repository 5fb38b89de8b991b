// SPDX-License-Identifier: MIT
// How the simulated world behaves: delays, faults, what its disk holds, and when to give up.
// Layer: L2 reactor
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/base/lean_chrono.hpp>
#include <aloft/detail/base/lean_function.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI {

/// Purpose: what a simulated program meets; pass it to simulate() or explore().
/// `simulation_options{}.network_delay(1ms, 50ms).resets(0.01).file("/etc/motd", "hello")`
///
/// Each probability is from 0 (never) to 1 (always), and each range of times is drawn from evenly,
/// both ends included. What is legal at any time happens by default: short transfers, any order.
/// What is a fault happens only if it is asked for.
///
/// Thread safety, lifetime, cost: those of a plain value. Errors: simulate() throws
/// std::errc::invalid_argument for a probability out of range and for a range that is upside down.
class simulation_options {
public:
    using duration = std::chrono::nanoseconds;
    struct range {
        duration least;
        duration most;
    };

    /// How long the system takes to begin an operation. Default: 0 to 200 us.
    simulation_options& latency(duration least, duration most) noexcept {
        latency_ = {least, most};
        return *this;
    }
    /// How long bytes, connections and endings are on their way. Default: 20 us to 2 ms.
    simulation_options& network_delay(duration least, duration most) noexcept {
        network_delay_ = {least, most};
        return *this;
    }
    /// How much time passes until a task that was chosen runs. Default: 0 to 2 us.
    simulation_options& step(duration least, duration most) noexcept {
        step_ = {least, most};
        return *this;
    }
    /// How long an offloaded call takes until it is run. Default: 0 to 1 ms.
    simulation_options& blocking_delay(duration least, duration most) noexcept {
        blocking_delay_ = {least, most};
        return *this;
    }

    /// A read or a write moves fewer bytes than it could. Default 0.25.
    simulation_options& short_transfers(double probability) noexcept {
        short_transfers_ = probability;
        return *this;
    }
    /// A read or a write on a connection finds that it was reset. Default 0.
    simulation_options& resets(double probability) noexcept {
        resets_ = probability;
        return *this;
    }
    /// A connection is refused although somebody listens. Default 0.
    simulation_options& refusals(double probability) noexcept {
        refusals_ = probability;
        return *this;
    }
    /// A datagram is lost on its way. Default 0. (One that finds the receiver's buffer full is lost too;
    /// and by default already one overtakes another.)
    simulation_options& lost_datagrams(double probability) noexcept {
        lost_datagrams_ = probability;
        return *this;
    }
    /// A datagram that is not lost arrives twice. Default 0.
    simulation_options& doubled_datagrams(double probability) noexcept {
        doubled_datagrams_ = probability;
        return *this;
    }
    /// A write to a file finds the disk full, an operation on a file fails, or a file cannot be opened:
    /// ENOSPC, EIO, EMFILE. Default 0.
    simulation_options& disk_faults(double probability) noexcept {
        disk_faults_ = probability;
        return *this;
    }
    /// An operation that is asked to end does not heed it before it has completed by itself, if that
    /// comes within some milliseconds. Default 0.25.
    simulation_options& deaf_to_stop(double probability) noexcept {
        deaf_to_stop_ = probability;
        return *this;
    }

    /// How many bytes all files together may have; a write beyond that gives ENOSPC. Default: no
    /// limit.
    simulation_options& disk_bytes(std::size_t most) noexcept {
        disk_bytes_ = most;
        return *this;
    }
    /// How many bytes may be under way in one direction of a connection, how many a pipe holds, and how
    /// many bytes of datagrams may wait at a socket. Default 65536.
    simulation_options& window_bytes(std::size_t most) noexcept {
        window_bytes_ = most;
        return *this;
    }
    /// A file that is there when the program begins.
    template <class Nothing = void> // compiled where it is used
    simulation_options& file(std::string path, std::string content) {
        for (auto& [name, held] : files_) {
            if (name == path) {
                held = std::move(content);
                return *this;
            }
        }
        files_.emplace_back(std::move(path), std::move(content));
        return *this;
    }

    /// After how many resumptions a program is taken for one that never ends. Default ten million.
    simulation_options& most_steps(std::uint64_t count) noexcept {
        most_steps_ = count;
        return *this;
    }
    /// Called with a line of text for whatever happens: time, event, number, result.
    simulation_options& on_trace(std::function<void(std::string_view)> function) {
        on_trace_ = std::move(function);
        return *this;
    }

    [[nodiscard]] range latency() const noexcept { return latency_; }
    [[nodiscard]] range network_delay() const noexcept { return network_delay_; }
    [[nodiscard]] range step() const noexcept { return step_; }
    [[nodiscard]] range blocking_delay() const noexcept { return blocking_delay_; }
    [[nodiscard]] double short_transfers() const noexcept { return short_transfers_; }
    [[nodiscard]] double resets() const noexcept { return resets_; }
    [[nodiscard]] double refusals() const noexcept { return refusals_; }
    [[nodiscard]] double lost_datagrams() const noexcept { return lost_datagrams_; }
    [[nodiscard]] double doubled_datagrams() const noexcept { return doubled_datagrams_; }
    [[nodiscard]] double disk_faults() const noexcept { return disk_faults_; }
    [[nodiscard]] double deaf_to_stop() const noexcept { return deaf_to_stop_; }
    [[nodiscard]] std::size_t disk_bytes() const noexcept { return disk_bytes_; }
    [[nodiscard]] std::size_t window_bytes() const noexcept { return window_bytes_; }
    /// Path and content, in the order in which they were named first.
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& files() const noexcept {
        return files_;
    }
    [[nodiscard]] std::uint64_t most_steps() const noexcept { return most_steps_; }
    [[nodiscard]] const std::function<void(std::string_view)>& on_trace() const noexcept {
        return on_trace_;
    }

private:
    range latency_{duration(0), duration(200'000)};
    range network_delay_{duration(20'000), duration(2'000'000)};
    range step_{duration(0), duration(2'000)};
    range blocking_delay_{duration(0), duration(1'000'000)};
    double short_transfers_ = 0.25;
    double resets_ = 0;
    double refusals_ = 0;
    double lost_datagrams_ = 0;
    double doubled_datagrams_ = 0;
    double disk_faults_ = 0;
    double deaf_to_stop_ = 0.25;
    std::size_t disk_bytes_ = static_cast<std::size_t>(-1);
    std::size_t window_bytes_ = 65536;
    std::vector<std::pair<std::string, std::string>> files_;
    std::uint64_t most_steps_ = 10'000'000;
    std::function<void(std::string_view)> on_trace_;
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// Everything that a seed decides is drawn here, and everything that happens is noted here.
// Layer: L2 reactor
//
// 1. The same seed, options and program give the same numbers in the same order. So there is one
//    draw per statement, as the order of evaluation within one is not fixed, and nothing that
//    happens depends on an address, on the machine's clock or on another thread.
// 2. The digest is made of all that is noted: two runs with the same digest went the same way.
#pragma once

#include <aloft/detail/base/splitmix.hpp>
#include <aloft/detail/reactor/clock.hpp>
#include <aloft/detail/reactor/simulated_calls.hpp>
#include <aloft/error.hpp>
#include <aloft/simulation_options.hpp>

#include <cstdint>
#include <string>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

class simulated_dice : public simulated_calls {
public:
    /// What the world's clock shows at the beginning: a round number, so that traces read well.
    static constexpr clock_ns beginning = 1'000'000'000'000;

    simulated_dice(std::uint64_t seed, const simulation_options& options)
        : options_(options), state_(seed) {
        now = beginning;
        check("short_transfers", options.short_transfers());
        check("resets", options.resets());
        check("refusals", options.refusals());
        check("lost_datagrams", options.lost_datagrams());
        check("doubled_datagrams", options.doubled_datagrams());
        check("disk_faults", options.disk_faults());
        check("deaf_to_stop", options.deaf_to_stop());
        check("latency", options.latency());
        check("network_delay", options.network_delay());
        check("step", options.step());
        check("blocking_delay", options.blocking_delay());
    }
    simulated_dice(const simulated_dice&) = delete;
    simulated_dice& operator=(const simulated_dice&) = delete;

    std::uint64_t draw() noexcept final { return splitmix(state_); }

    /// From 0 to `count` - 1.
    [[nodiscard]] std::size_t draw_below(std::size_t count) noexcept {
        return static_cast<std::size_t>(draw() % count);
    }
    [[nodiscard]] bool draw_chance(double probability) noexcept {
        return probability > 0 && unit_interval(draw()) < probability;
    }
    [[nodiscard]] clock_ns draw_time(const simulation_options::range& from) noexcept {
        const std::int64_t width = from.most.count() - from.least.count();
        return from.least.count() +
               static_cast<clock_ns>(draw() % (static_cast<std::uint64_t>(width) + 1));
    }
    /// How many of `most` bytes are moved; at least one.
    [[nodiscard]] std::size_t draw_transfer(std::size_t most) noexcept {
        return most > 1 && draw_chance(options_.short_transfers()) ? 1 + draw_below(most - 1)
                                                                   : most;
    }

    /// `subject` number `number` did or underwent `event`, with `value`.
    void note(const char* subject, std::uint64_t number, const char* event, std::int64_t value) {
        for (const char* at = subject; *at != '\0'; ++at) {
            mix(static_cast<unsigned char>(*at));
        }
        for (const char* at = event; *at != '\0'; ++at) {
            mix(static_cast<unsigned char>(*at));
        }
        mix(static_cast<std::uint64_t>(now));
        mix(number);
        mix(static_cast<std::uint64_t>(value));
        if (options_.on_trace()) {
            const clock_ns passed = now - beginning;
            std::string micros = std::to_string(passed / 1000 % 1'000'000);
            micros.insert(0, 6 - micros.size(), '0');
            options_.on_trace()("+" + std::to_string(passed / 1'000'000'000) + "." + micros + " " +
                                subject + " " + std::to_string(number) + " " + event + " " +
                                std::to_string(value));
        }
    }
    [[nodiscard]] std::uint64_t digest() const noexcept { return digest_; }

    [[nodiscard]] const simulation_options& options() const noexcept { return options_; }

protected:
    ~simulated_dice() = default;

private:
    [[noreturn]] static void refuse(const char* option) {
        throw_error(std::make_error_code(std::errc::invalid_argument),
                    std::string("simulation_options::") + option + ": out of range");
    }
    static void check(const char* option, double probability) {
        if (!(probability >= 0 && probability <= 1)) {
            refuse(option);
        }
    }
    static void check(const char* option, const simulation_options::range& times) {
        if (times.least.count() < 0 || times.most < times.least) {
            refuse(option);
        }
    }
    void mix(std::uint64_t value) noexcept {
        digest_ = (digest_ ^ value) * 0x100000001B3u;
        digest_ ^= digest_ >> 29;
    }

    const simulation_options options_;
    std::uint64_t state_;
    std::uint64_t digest_ = 0xCBF29CE484222325u;
};

} // namespace aloft::inline ALOFT_ABI::detail

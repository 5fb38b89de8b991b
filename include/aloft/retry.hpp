// SPDX-License-Identifier: MIT
// retry: tries something again after a while, which grows from one attempt to the next.
// Layer: L4 surface
#pragma once

#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/lean_chrono.hpp>
#include <aloft/detail/base/splitmix.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/cancellation.hpp>
#include <aloft/detail/coro/temporary_closure.hpp>
#include <aloft/error.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <system_error>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: how often and how fast to try again:
/// `retry_options{}.attempts(5).first_delay(20ms).most_delay(1s)`.
///
/// Thread safety, lifetime, cost: those of a plain value. Errors, cancellation: none; retry() checks.
class retry_options {
public:
    /// How many attempts there are in all, the first one included. Default: 4.
    retry_options& attempts(std::size_t count) noexcept {
        attempts_ = count;
        return *this;
    }
    /// The delay behind the first attempt. Default: 50 ms.
    retry_options& first_delay(std::chrono::nanoseconds delay) noexcept {
        first_delay_ = delay;
        return *this;
    }
    /// What the delay is multiplied by from one attempt to the next; at least 1. Default: 2.
    retry_options& growth(double factor) noexcept {
        growth_ = factor;
        return *this;
    }
    /// No delay is longer. Default: 10 s.
    retry_options& most_delay(std::chrono::nanoseconds delay) noexcept {
        most_delay_ = delay;
        return *this;
    }
    /// Which part of each delay is left to chance, so that those who failed together do not come back
    /// together: 0 none, 1 all of it. Default: 0.5, so a delay is between half of it and all of it.
    retry_options& jitter(double part) noexcept {
        jitter_ = part;
        return *this;
    }

    [[nodiscard]] std::size_t attempts() const noexcept { return attempts_; }
    [[nodiscard]] std::chrono::nanoseconds first_delay() const noexcept { return first_delay_; }
    [[nodiscard]] double growth() const noexcept { return growth_; }
    [[nodiscard]] std::chrono::nanoseconds most_delay() const noexcept { return most_delay_; }
    [[nodiscard]] double jitter() const noexcept { return jitter_; }

private:
    std::size_t attempts_ = 4;
    std::chrono::nanoseconds first_delay_{50'000'000};
    double growth_ = 2;
    std::chrono::nanoseconds most_delay_{10'000'000'000};
    double jitter_ = 0.5;
};

namespace detail {

/// The delays between the attempts.
class backoff {
public:
    explicit backoff(const retry_options& options)
        : options_(options), next_(static_cast<double>(options.first_delay().count())) {
        if (options.attempts() == 0 || !(options.growth() >= 1) || !(options.jitter() >= 0) ||
            !(options.jitter() <= 1) || options.first_delay().count() < 0 ||
            options.most_delay().count() < 0) {
            throw_error(
                std::make_error_code(std::errc::invalid_argument),
                "retry: no attempts, a negative delay, a growth below 1, or a jitter that is "
                "not between 0 and 1");
        }
        if (simulated_world* const world = world_of(current_environment())) {
            random_ = world->draw();
            return;
        }
        // Different for calls at the same time and for calls at the same place.
        random_ = static_cast<std::uint64_t>(now_ns()) ^
                  (reinterpret_cast<std::uintptr_t>(this) * 0x9E3779B97F4A7C15u);
    }

    [[nodiscard]] std::chrono::nanoseconds next() noexcept {
        const double most = static_cast<double>(options_.most_delay().count());
        const double delay = (std::min)(next_, most);
        next_ = (std::min)(next_ * options_.growth(), most);
        return std::chrono::nanoseconds(
            static_cast<std::int64_t>(delay * (1 - options_.jitter() * chance())));
    }

private:
    /// From 0 to 1.
    [[nodiscard]] double chance() noexcept { return unit_interval(splitmix(random_)); }

    retry_options options_;
    double next_;
    std::uint64_t random_ = 0;
};

template <class Make>
using made_t = std::invoke_result_t<std::decay_t<Make>&>;
template <class Make>
concept makes_awaitable = awaitable<made_t<Make>>;

/// All failures but cancellations, which are meant.
struct any_failure {
    [[nodiscard]] bool operator()(const std::exception_ptr& error) const noexcept {
        return !is_cancellation(error);
    }
};

template <class Make, class Again>
task<task_result_t<std::invoke_result_t<Make&>>> run_retry(retry_options options, Make make,
                                                           Again again) {
    backoff delays(options);
    for (std::size_t attempt = 1;; ++attempt) {
        std::exception_ptr error;
        try {
            co_return co_await make();
        } catch (...) {
            error = std::current_exception();
        }
        if (attempt >= options.attempts() || !again(error)) {
            std::rethrow_exception(error);
        }
        co_await sleep_for(delays.next());
    }
}

} // namespace detail

/// Purpose: `co_await retry(retry_options{}.attempts(5), [&] { return connect(host); });` awaits what
/// the function gives, anew for each attempt, until one succeeds.
///
/// Thread safety: the function is called by one worker at a time.
/// Lifetime: options and functions are moved in.
/// Errors: the last attempt's exception; std::errc::invalid_argument for impossible options.
/// Cancellation: a cancelled attempt is not tried again, and a delay is stopped at once.
/// Cost: a recycled frame; a failed attempt costs a caught exception.
template <detail::makes_awaitable Make>
[[ALOFT_CORO_MOVES nodiscard]] auto retry(const retry_options& options, Make&& make) {
    return detail::guard_temporary<detail::is_endangered_temporary<Make>>(
        detail::run_retry<std::decay_t<Make>, detail::any_failure>(
            options, std::forward<Make>(make), detail::any_failure{}));
}

/// The same where `again(std::exception_ptr)` says whether a failure is worth another attempt.
template <detail::makes_awaitable Make, std::predicate<const std::exception_ptr&> Again>
[[ALOFT_CORO_MOVES nodiscard]] auto retry(const retry_options& options, Make&& make,
                                          Again&& again) {
    constexpr bool endangered =
        detail::is_endangered_temporary<Make> || detail::is_endangered_temporary<Again>;
    return detail::guard_temporary<endangered>(
        detail::run_retry<std::decay_t<Make>, std::decay_t<Again>>(
            options, std::forward<Make>(make), std::forward<Again>(again)));
}

} // namespace aloft::inline ALOFT_ABI

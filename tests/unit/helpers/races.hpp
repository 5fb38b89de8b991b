// SPDX-License-Identifier: MIT
// What becomes of a wait, and a race between what it waits for and a stop request.
#pragma once

#include "scale.hpp"
#include "seed.hpp"

#include <support/wait_until.hpp>

#include <aloft/runtime.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/with_stop.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <system_error>
#include <thread>

namespace testing {

enum class end : int { none, value, canceled, timed_out };

template <class Make>
aloft::task<void> record(Make make, std::atomic<int>& begun, std::atomic<end>& how) {
    begun.fetch_add(1);
    end result = end::value;
    try {
        (void)co_await make();
    } catch (const std::system_error& error) {
        if (error.code() == std::errc::operation_canceled) {
            result = end::canceled;
        } else if (error.code() == std::errc::timed_out) {
            result = end::timed_out;
        } else {
            throw;
        }
    }
    how.store(result);
}

/// `complete` makes it end, `make` waits for that; both race a stop request.
template <class Make, class Complete, class Check>
void races(const char* name, std::size_t usual, Make make, Complete complete, Check check) {
    const std::uint64_t seed = make_seed(name);
    const std::size_t rounds = race_rounds(usual);
    aloft::runtime rt(aloft::runtime_options{}.threads(2));
    std::atomic<std::size_t> round{0};
    std::atomic<std::size_t> completed{0};
    std::optional<aloft::stop_source> source;
    source.emplace();
    std::thread other([&] {
        dice dice(seed);
        for (std::size_t i = 1; i <= rounds; ++i) {
            test_support::wait_closely([&] { return round.load() >= i; });
            dice.maybe_yield(2);
            const bool first = dice.below(2) == 0;
            if (first) {
                source->request_stop();
            }
            complete();
            if (!first) {
                source->request_stop();
            }
            completed.store(i);
        }
    });
    std::size_t values = 0;
    for (std::size_t i = 1; i <= rounds; ++i) {
        std::atomic<int> begun{0};
        std::atomic<end> how{end::none};
        round.store(i);
        aloft::sync_wait(rt, aloft::with_stop(source->get_token(), record(make, begun, how)));
        test_support::wait_closely([&] { return completed.load() >= i; });
        const bool value = how.load() == end::value;
        values += value ? 1 : 0;
        REQUIRE((value || how.load() == end::canceled));
        REQUIRE(check(value));
        source.reset();
        source.emplace();
    }
    other.join();
    std::printf("%s: %zu of %zu had a result\n", name, values, rounds);
}

} // namespace testing

// SPDX-License-Identifier: MIT
// work: a computation of a fixed processor time, whoever interrupts it. The number of its steps is
// found at the start, from the fastest of several attempts.
#pragma once

#include "measure.hpp"

#include <algorithm>
#include <cstdint>

namespace field {

class work {
public:
    explicit work(double seconds) {
        constexpr std::uint64_t trial = 500'000;
        double best = 1.0;
        for (int i = 0; i < 10; ++i) {
            const double begin = seconds_now();
            compute(trial);
            best = std::min(best, seconds_now() - begin);
        }
        steps_ = static_cast<std::uint64_t>(seconds / best * static_cast<double>(trial));
    }

    void operator()() const { compute(steps_); }

private:
    /// Each step needs the result of the one before it.
    static void compute(std::uint64_t steps) {
        std::uint64_t x = 88172645463325252U;
        for (std::uint64_t i = 0; i < steps; ++i) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        must_be(x != 0, "work");
    }

    std::uint64_t steps_ = 0;
};

} // namespace field

// SPDX-License-Identifier: MIT
// What the programs with long tasks share: how late sleepers were that were due while those
// computed.
#pragma once

#include "measure.hpp"

#include <atomic>
#include <cstddef>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

namespace field {

class lateness {
public:
    /// To be called when a sleeper wakes; seconds.
    void woke(double due) {
        const double now = seconds_now();
        const std::scoped_lock lock(mutex_);
        wakes_.emplace_back(due, now - due);
    }

    /// A long task: computes for a second.
    void compute() {
        const double begin = seconds_now();
        {
            const std::scoped_lock lock(mutex_);
            begin_ = std::min(begin_, begin);
        }
        while (seconds_now() < begin + 1.0) {
        }
        const std::scoped_lock lock(mutex_);
        end_ = std::max(end_, seconds_now());
        ++hogs_ended_;
    }

    [[nodiscard]] std::size_t hogs_ended() {
        const std::scoped_lock lock(mutex_);
        return hogs_ended_;
    }

    /// After the hogs, and after each sleeper has woken once more: some may be late until then.
    void report() {
        const std::scoped_lock lock(mutex_);
        std::vector<double> late;
        for (const auto& [due, delay] : wakes_) {
            if (due >= begin_ && due < end_) {
                late.push_back(delay * 1e3);
            }
        }
        report_delays("sleep", late);
    }

private:
    std::mutex mutex_;
    std::vector<std::pair<double, double>> wakes_;
    double begin_ = std::numeric_limits<double>::max();
    double end_ = 0;
    std::size_t hogs_ended_ = 0;
};

} // namespace field

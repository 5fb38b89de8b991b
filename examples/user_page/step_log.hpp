// SPDX-License-Identifier: MIT Which thread kicked a step off, which one went on after it: written
// down while it happens.
#pragma once

#include "../support/thread_name.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace user_page {

/// One step of one request, as it went.
class step_record {
public:
    step_record() = default;
    int request = 0;
    std::string name;
    std::string kicked_off_by;
    std::string resumed_by;
    std::string worked_at; ///< as far as those who did the work say where they are
};

/// Collects steps from any thread. One that is switched off costs a branch per step.
class step_log {
public:
    explicit step_log(bool enabled) : enabled_(enabled) {}

    /// A step from its beginning, which is where this is constructed, to end().
    class step {
    public:
        step(step_log& log, int request, std::string_view name) : log_(log) {
            if (log_.enabled_) {
                record_.request = request;
                record_.name = name;
                record_.kicked_off_by = support::this_thread_name();
            }
        }

        void end(std::string_view worked_at) {
            if (log_.enabled_) {
                record_.resumed_by = support::this_thread_name();
                record_.worked_at = worked_at;
                const std::scoped_lock lock(log_.mutex_);
                log_.records_.push_back(std::move(record_));
            }
        }

    private:
        step_log& log_;
        step_record record_;
    };

    /// By request; within one, in the order in which the steps ended.
    [[nodiscard]] std::vector<step_record> take() {
        std::vector<step_record> sorted;
        std::map<int, std::vector<step_record>> by_request;
        for (step_record& one : records_) {
            by_request[one.request].push_back(std::move(one));
        }
        for (auto& [request, steps] : by_request) {
            std::move(steps.begin(), steps.end(), std::back_inserter(sorted));
        }
        return sorted;
    }

private:
    const bool enabled_;
    std::mutex mutex_;
    std::vector<step_record> records_; // guarded by mutex_
};

} // namespace user_page

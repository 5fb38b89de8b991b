// SPDX-License-Identifier: MIT
#include "report.hpp"

#include "../support/table.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace user_page {

namespace {

std::string title_of(const std::string& version) {
    return version == "threads"    ? "a blocking thread each"
           : version == "sequence" ? "co_await in sequence"
                                   : "co_await when_all";
}

std::string duration(std::int64_t nanoseconds) {
    return support::format_duration(std::chrono::nanoseconds(nanoseconds));
}

std::int64_t median(std::vector<std::int64_t> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

std::int64_t worst(const std::vector<std::int64_t>& values) {
    return *std::max_element(values.begin(), values.end());
}

/// How long one request would take if nothing but the delays took time.
std::int64_t delays_alone(const settings& how) {
    const std::int64_t one = std::chrono::nanoseconds(how.delay()).count();
    return how.version == "when_all" ? one : 3 * one;
}

std::string percent(std::int64_t part, std::int64_t whole) {
    return whole <= 0 ? "-"
                      : std::to_string(std::min<std::int64_t>(100, 100 * part / whole)) + " %";
}

std::int64_t processor_time_available(const outcome& found) {
    return found.total_ns * ::sysconf(_SC_NPROCESSORS_ONLN);
}

std::int64_t elsewhere(const outcome& found) {
    return std::max(std::int64_t{0}, found.all_processor_ns - found.own_processor_ns -
                                         found.api_processor_ns - found.database_processor_ns);
}

/// Who used most of the processors.
std::string heaviest(const outcome& found) {
    const std::vector<std::pair<std::int64_t, std::string>> users{
        {found.own_processor_ns, "this program"},
        {found.api_processor_ns, "the API server"},
        {found.database_processor_ns, "the database"},
        {elsewhere(found), "other processes"}};
    return std::max_element(users.begin(), users.end())->second;
}

/// The resource that the run waited for.
std::string limit_of(const measured& one) {
    const outcome& found = one.found;
    if (found.total_ns < delays_alone(one.how) * 12 / 10) {
        return "the delays";
    }
    if (one.how.connections < one.how.requests) {
        return support::format_count(one.how.connections) + " db connections";
    }
    if (one.how.sqlite && found.blocking_threads != 0 &&
        found.blocking_threads < one.how.requests) {
        return support::format_count(found.blocking_threads) + " blocking threads";
    }
    if (found.all_processor_ns > processor_time_available(found) * 7 / 10) {
        return "processors: " + heaviest(found);
    }
    return "processors at times: " + heaviest(found);
}

std::string other_threads(const outcome& found) {
    const std::uint64_t known = found.request_threads + found.blocking_threads;
    return support::format_count(found.peak_threads > known ? found.peak_threads - known : 0);
}

} // namespace

void print_steps(const measured& one) {
    std::cout << "\n"
              << title_of(one.how.version) << ", " << one.how.requests
              << (one.how.requests == 1 ? " request" : " requests") << ": who ran what\n\n";
    support::table steps{"request", "step", "kicked off by", "resumed by",
                         "where the work happened"};
    int previous = 0;
    for (const step_record& step : one.found.steps) {
        if (previous != 0 && step.request != previous) {
            steps.add_rule();
        }
        previous = step.request;
        steps.add(step.request, step.name, step.kicked_off_by, step.resumed_by, step.worked_at);
    }
    std::cout << steps;
}

void print_comparison(const std::vector<measured>& versions) {
    const std::size_t requests = versions.front().how.requests;
    support::table figures{support::format_count(requests) +
                           (requests == 1 ? " request" : " requests at once")};
    using cell = std::function<std::string(const measured&)>;
    const auto row = [&](const std::string& name, const cell& make) {
        std::vector<std::string> cells{name};
        for (const measured& one : versions) {
            cells.push_back(make(one));
        }
        figures.add_row(std::move(cells));
    };
    row("", [](const measured& one) { return title_of(one.how.version); });
    figures.add_rule();
    row("expected from the delays alone",
        [](const measured& one) { return duration(delays_alone(one.how)); });
    row("wall time per request, median",
        [](const measured& one) { return duration(median(one.found.each_ns)); });
    row("wall time per request, worst",
        [](const measured& one) { return duration(worst(one.found.each_ns)); });
    row("wall time in all", [](const measured& one) { return duration(one.found.total_ns); });
    row("  against the delays alone", [](const measured& one) {
        return support::format_factor(static_cast<double>(one.found.total_ns) /
                                      static_cast<double>(delays_alone(one.how)));
    });
    figures.add_rule();
    row("threads that run requests",
        [](const measured& one) { return support::format_count(one.found.request_threads); });
    row("threads of the blocking pool",
        [](const measured& one) { return support::format_count(one.found.blocking_threads); });
    row("other threads (main, ...)", [](const measured& one) { return other_threads(one.found); });
    row("peak memory",
        [](const measured& one) { return support::format_bytes(one.found.peak_bytes); });
    row("  of it before the first request",
        [](const measured& one) { return support::format_bytes(one.found.bytes_before); });
    figures.add_rule();
    row("connections to the database", [](const measured& one) {
        return one.how.sqlite ? "per thread" : support::format_count(one.how.connections);
    });
    row("set-up of connections, not in the above",
        [](const measured& one) { return duration(one.found.set_up_ns); });
    row("processor time: this program",
        [](const measured& one) { return duration(one.found.own_processor_ns); });
    row("  the API server",
        [](const measured& one) { return duration(one.found.api_processor_ns); });
    row("  the database's connections", [](const measured& one) {
        return one.how.database_is_ours ? duration(one.found.database_processor_ns) : "not known";
    });
    row("  everything else on this machine",
        [](const measured& one) { return duration(elsewhere(one.found)); });
    row("processors busy", [](const measured& one) {
        return percent(one.found.all_processor_ns, processor_time_available(one.found));
    });
    row("limited by", [](const measured& one) { return limit_of(one); });
    row("pages checked, wrong", [](const measured& one) {
        return support::format_count(one.how.requests) + ", " +
               support::format_count(one.found.wrong_pages);
    });
    std::cout << "\n" << figures;
}

} // namespace user_page

// SPDX-License-Identifier: MIT
#include "measured_run.hpp"

#include "descriptor_limit.hpp"
#include "load_page.hpp"
#include "processor_use.hpp"
#include "step_log.hpp"

#include "../support/measure.hpp"
#include "../support/thread_name.hpp"

#include <aloft/runtime.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <latch>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace user_page {

namespace {

using clock = std::chrono::steady_clock;

std::int64_t nanoseconds_since(clock::time_point start) {
    return std::chrono::nanoseconds(clock::now() - start).count();
}

/// Measures what lies between the common start of the requests and the end of the last.
class timed_part {
public:
    timed_part(const settings& how, const std::vector<int>& database_processes, outcome& result)
        : settings_(how), processes_(database_processes), result_(result) {}

    void start() {
        before_ = look();
        support::reset_peak_resident();
        result_.bytes_before = support::resident_bytes();
        start_ = clock::now();
    }
    [[nodiscard]] std::int64_t elapsed() const { return nanoseconds_since(start_); }

    void end() {
        result_.total_ns = elapsed();
        result_.peak_bytes = support::peak_resident_bytes();
        const use after = look();
        result_.own_processor_ns = (after.own - before_.own).count();
        result_.api_processor_ns = (after.api - before_.api).count();
        result_.database_processor_ns = (after.database - before_.database).count();
        result_.all_processor_ns = (after.all - before_.all).count();
    }

private:
    struct use {
        std::chrono::nanoseconds own{};
        std::chrono::nanoseconds api{};
        std::chrono::nanoseconds database{};
        std::chrono::nanoseconds all{};
    };

    [[nodiscard]] use look() const {
        use now;
        now.all = machine_processor_time();
        now.own = support::processor_time();
        now.api = processor_time_of(settings_.api_process);
        if (settings_.database_is_ours) {
            for (const int process : processes_) {
                now.database += processor_time_of(process);
            }
        }
        return now;
    }

    const settings& settings_;
    const std::vector<int>& processes_;
    outcome& result_;
    use before_;
    clock::time_point start_;
};

std::size_t count_wrong(const std::vector<page>& pages) {
    return static_cast<std::size_t>(
        std::count_if(pages.begin(), pages.end(), [](const page& one) { return !one.is_right(); }));
}

void run_threads(const settings& how, step_log& log, outcome& result) {
    blocking_services services(how, log);
    const auto before = clock::now();
    services.open();
    result.set_up_ns = nanoseconds_since(before);

    std::vector<page> pages(how.requests);
    result.each_ns.resize(how.requests);
    timed_part timed(how, services.database_processes(), result);
    std::latch ready(static_cast<std::ptrdiff_t>(how.requests));
    std::latch go(1);
    std::mutex mutex;
    std::exception_ptr failure; // guarded by mutex
    std::vector<std::thread> threads;
    for (std::size_t index = 0; index < how.requests; ++index) {
        threads.emplace_back([&, index] {
            const int id = static_cast<int>(index) + 1;
            support::name_this_thread("thread " + std::to_string(id));
            try {
                services.open_for_this_thread();
            } catch (...) {
                const std::scoped_lock lock(mutex);
                failure = std::current_exception();
            }
            ready.count_down();
            go.wait();
            try {
                pages[index] = load_page_blocking(services, id);
            } catch (...) {
                const std::scoped_lock lock(mutex);
                failure = std::current_exception();
            }
            result.each_ns[index] = timed.elapsed();
        });
    }
    ready.wait(); // starting the threads is not counted either
    timed.start();
    go.count_down();
    result.threads_seen = support::thread_count();
    for (std::thread& one : threads) {
        one.join();
    }
    timed.end();
    result.request_threads = how.requests;
    result.wrong_pages = count_wrong(pages);
    if (failure) {
        std::rethrow_exception(failure);
    }
}

using load_page = aloft::task<page> (*)(awaiting_services&, int);

aloft::task<page> timed_request(awaiting_services& services, load_page load, int id,
                                const timed_part& timed, std::int64_t& took) {
    page done = co_await load(services, id);
    took = timed.elapsed();
    co_return done;
}

void run_tasks(const settings& how, load_page load, step_log& log, outcome& result) {
    aloft::runtime_options options;
    // A thousand database processes keep workers off the processors, which from inside looks like a
    // long task. Spare workers would join in, and the figure of threads would not be the pool's.
    options.spare_workers(0);
    if (how.threads != 0) {
        options.threads(how.threads);
    }
    options.backend(how.backend == "io_uring" ? aloft::backend::io_uring
                    : how.backend == "epoll"  ? aloft::backend::epoll
                                              : aloft::backend::automatic);
    aloft::runtime rt(options);
    result.backend = std::string(rt.backend());
    awaiting_services services(how, log);
    const auto before = clock::now();
    aloft::sync_wait(rt, services.open());
    result.set_up_ns = nanoseconds_since(before);

    result.each_ns.resize(how.requests);
    timed_part timed(how, services.database_processes(), result);
    std::vector<aloft::task<page>> requests;
    for (std::size_t index = 0; index < how.requests; ++index) {
        requests.push_back(timed_request(services, load, static_cast<int>(index) + 1, timed,
                                         result.each_ns[index]));
    }
    timed.start(); // a task starts when it is awaited
    const std::vector<page> pages = aloft::sync_wait(rt, aloft::when_all(std::move(requests)));
    timed.end();
    result.threads_seen = support::thread_count();
    result.request_threads = rt.threads();
    result.blocking_threads = rt.blocking_threads();
    result.wrong_pages = count_wrong(pages);
}

} // namespace

outcome run_measured(const settings& how) {
    raise_descriptor_limit();
    outcome result;
    step_log log(how.traced());
    if (how.version == "threads") {
        run_threads(how, log, result);
    } else if (how.version == "sequence") {
        run_tasks(how, &load_page_in_sequence, log, result);
    } else if (how.version == "when_all") {
        run_tasks(how, &load_page_at_once, log, result);
    } else {
        throw std::runtime_error("no version is called " + how.version);
    }
    result.steps = log.take();
    return result;
}

} // namespace user_page

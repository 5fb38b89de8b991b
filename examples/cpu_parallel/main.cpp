// SPDX-License-Identifier: MIT
// Independent pictures, one heavy filter each: one after the other, and all at once with
// when_all over spawned tasks.
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/measure.hpp"
#include "../support/program.hpp"
#include "../support/table.hpp"
#include "../support/thread_name.hpp"
#include "filter.hpp"

namespace {

using cpu_parallel::picture;
using std::chrono::nanoseconds;

/// One filtered picture, where it was made and when, counted from the start of the run.
struct job {
    picture result;
    std::string thread;
    nanoseconds start{};
    nanoseconds end{};
};

job filter(const picture& original, std::chrono::steady_clock::time_point run_start) {
    job done;
    done.thread = support::this_thread_name();
    done.start = std::chrono::steady_clock::now() - run_start;
    done.result = cpu_parallel::median_filter(original);
    done.end = std::chrono::steady_clock::now() - run_start;
    return done;
}

std::vector<job> one_after_the_other(const std::vector<picture>& originals) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<job> done;
    done.reserve(originals.size());
    for (const picture& original : originals) {
        done.push_back(filter(original, start));
    }
    return done;
}

aloft::task<std::vector<job>> all_at_once(const std::vector<picture>& originals) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<aloft::join_handle<job>> running;
    running.reserve(originals.size());
    for (const picture& original : originals) {
        running.push_back(aloft::spawn([&original, start] { return filter(original, start); }));
    }
    co_return co_await aloft::when_all(std::move(running));
}

/// The rounds that the busiest processor has to go through decide.
double predicted_speed_up(std::size_t pictures, std::size_t threads) {
    const std::size_t at_once = std::min<std::size_t>(threads, support::processor_count());
    const std::size_t rounds = (pictures + at_once - 1) / at_once;
    return static_cast<double>(pictures) / static_cast<double>(rounds);
}

int run(int argc, char** argv) {
    std::size_t pictures = 4;
    int size = 512;
    std::size_t threads = support::processor_count();

    CLI::App options{"Independent pictures, one heavy filter each: one after the other, and all "
                     "at once as tasks.",
                     "cpu_parallel"};
    options.add_option("--pictures", pictures, "how many pictures")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str();
    options.add_option("--size", size, "width and height of each, in pixels")
        ->check(CLI::Range(1, 16384))
        ->capture_default_str();
    options.add_option("--threads", threads, "workers of the pool")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    if (!support::parse_options(options, argc, argv)) {
        return EXIT_SUCCESS;
    }

    std::vector<picture> originals;
    originals.reserve(pictures);
    for (std::size_t number = 0; number < pictures; ++number) {
        originals.push_back(cpu_parallel::make_picture(size, static_cast<unsigned>(number)));
    }
    // A filter looks like a hog, and spare workers would join in. They help those that wait beside a
    // hog; here nobody waits, and they would only share the processors.
    aloft::runtime pool{aloft::runtime_options{}.threads(threads).spare_workers(0)};

    std::vector<job> calls;
    const support::usage by_calls =
        support::measure([&] { calls = one_after_the_other(originals); });
    std::vector<job> tasks;
    const support::usage by_tasks =
        support::measure([&] { tasks = aloft::sync_wait(pool, all_at_once(originals)); });
    for (std::size_t number = 0; number < pictures; ++number) {
        if (calls[number].result != tasks[number].result) {
            throw std::runtime_error("calls and tasks filtered a picture differently");
        }
    }

    std::cout << pictures << " pictures of " << size << " x " << size
              << ", a median filter of 7 x 7 each; " << pool.threads() << " workers on "
              << support::processor_count() << " processors (" << pool.backend() << ").\n\n";

    constexpr std::size_t shown = 16;
    support::table jobs{"picture",     "calls: from", "to",       "on thread",
                        "tasks: from", "to",          "on thread"};
    std::set<std::string> threads_used;
    for (std::size_t number = 0; number < pictures; ++number) {
        threads_used.insert(tasks[number].thread);
        if (number < shown) {
            jobs.add(number + 1, support::format_duration(calls[number].start),
                     support::format_duration(calls[number].end), calls[number].thread,
                     support::format_duration(tasks[number].start),
                     support::format_duration(tasks[number].end), tasks[number].thread);
        }
    }
    std::cout << jobs;
    if (pictures > shown) {
        std::cout << "  ... and " << pictures - shown << " more\n";
    }

    const double predicted = predicted_speed_up(pictures, pool.threads());
    const double speed_up =
        static_cast<double>(by_calls.wall.count()) / static_cast<double>(by_tasks.wall.count());
    support::table figures{"figure", "calls", "tasks", "theory for tasks"};
    figures.add("wall clock", support::format_duration(by_calls.wall),
                support::format_duration(by_tasks.wall),
                support::format_duration(nanoseconds{static_cast<nanoseconds::rep>(
                    static_cast<double>(by_calls.wall.count()) / predicted)}));
    figures.add("speed-up", support::format_factor(1.0), support::format_factor(speed_up),
                support::format_factor(predicted));
    figures.add("processor time", support::format_duration(by_calls.processor),
                support::format_duration(by_tasks.processor),
                support::format_duration(by_calls.processor) + ": the same work");
    figures.add("processors busy", by_calls.busy_processors(), by_tasks.busy_processors(),
                support::format_fixed(predicted));
    figures.add("busy for other programs", by_calls.processors_of_others(),
                by_tasks.processors_of_others(), "0.00, or the speed-up is less");
    figures.add("threads that filtered", 1, threads_used.size(),
                support::format_count(std::min(pictures, pool.threads())));
    std::cout << '\n' << figures << "\nVerified: both ways gave the same pictures.\n";
    return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char** argv) {
    return support::run_program("cpu_parallel", [&] { return run(argc, argv); });
}

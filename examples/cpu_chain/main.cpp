// SPDX-License-Identifier: MIT
// Four steps of computing that each need the last one, as calls, as tasks and offloaded: the
// threads that they visit gain nothing.
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/measure.hpp"
#include "../support/program.hpp"
#include "../support/table.hpp"
#include "../support/thread_name.hpp"
#include "steps.hpp"

namespace {

using cpu_chain::bytes;
using std::chrono::nanoseconds;

constexpr std::array<std::string_view, 4> step_names{"resize", "base64", "pdf", "encrypt"};

struct step_record {
    std::string thread;
    nanoseconds duration{};
};

struct chain_run {
    std::array<step_record, step_names.size()> steps;
    std::vector<std::string> threads; ///< of the chain and of its steps, in the order of time
    bytes pdf;
    bytes sealed;
};

/// Runs one step and writes down where it ran and for how long.
template <class Step>
auto recorded(chain_run& run, std::size_t number, Step&& step) {
    step_record& record = run.steps[number];
    record.thread = support::this_thread_name("blocking");
    run.threads.push_back(record.thread);
    const auto start = std::chrono::steady_clock::now();
    auto result = step();
    record.duration = std::chrono::steady_clock::now() - start;
    return result;
}

void record_chain(chain_run& run) {
    run.threads.push_back(support::this_thread_name());
}

chain_run chain_of_calls(const cpu_chain::picture& original, const cpu_chain::seal_key& key) {
    chain_run run;
    record_chain(run);
    const bytes jpeg = recorded(run, 0, [&] { return cpu_chain::resize(original); });
    const std::string uri = recorded(run, 1, [&] { return cpu_chain::to_data_uri(jpeg); });
    run.pdf = recorded(run, 2, [&] { return cpu_chain::to_pdf(uri); });
    run.sealed = recorded(run, 3, [&] { return cpu_chain::seal(run.pdf, key); });
    return run;
}

// Any free worker may pick a spawned step up.
constexpr auto as_task = [](auto step) { return aloft::spawn(step); };

// A step that is offloaded leaves the pool for a thread that may block, and comes back.
constexpr auto offloaded = [](auto step) { return aloft::offload(step); };

// `start` hands a step to another thread, or at least offers it; the chain waits meanwhile.
template <class Start>
aloft::task<chain_run> chain_of_tasks(const cpu_chain::picture& original,
                                      const cpu_chain::seal_key& key, Start start) {
    chain_run run;
    record_chain(run);
    const bytes jpeg = co_await start(
        [&] { return recorded(run, 0, [&] { return cpu_chain::resize(original); }); });
    record_chain(run);
    const std::string uri = co_await start(
        [&] { return recorded(run, 1, [&] { return cpu_chain::to_data_uri(jpeg); }); });
    record_chain(run);
    run.pdf =
        co_await start([&] { return recorded(run, 2, [&] { return cpu_chain::to_pdf(uri); }); });
    record_chain(run);
    run.sealed = co_await start(
        [&] { return recorded(run, 3, [&] { return cpu_chain::seal(run.pdf, key); }); });
    record_chain(run);
    co_return run;
}

std::size_t hops_of(const chain_run& run) {
    std::size_t hops = 0;
    for (std::size_t place = 1; place < run.threads.size(); ++place) {
        hops += run.threads[place] != run.threads[place - 1] ? 1 : 0;
    }
    return hops;
}

nanoseconds median(std::vector<nanoseconds> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// All rounds of one version.
struct series {
    std::vector<nanoseconds> walls;
    nanoseconds wall{};
    nanoseconds processor{};
    std::array<std::vector<nanoseconds>, step_names.size()> steps;
    std::size_t hops = 0;
    chain_run shown; ///< the round with the most hops

    template <class Version>
    chain_run add(Version version) {
        chain_run run;
        const support::usage used = support::measure([&] { run = version(); });
        walls.push_back(used.wall);
        wall += used.wall;
        processor += used.processor;
        for (std::size_t step = 0; step < steps.size(); ++step) {
            steps[step].push_back(run.steps[step].duration);
        }
        const std::size_t run_hops = hops_of(run);
        hops += run_hops;
        if (walls.size() == 1 || run_hops > hops_of(shown)) {
            shown = run;
        }
        return run;
    }
};

void require(bool condition, const char* complaint) {
    if (!condition) {
        throw std::runtime_error(complaint);
    }
}

// The tables are worth nothing if the versions do not do the same work.
void verify(const chain_run& calls, const chain_run& other, const cpu_chain::seal_key& key) {
    constexpr std::string_view head = "%PDF-";
    require(calls.pdf.size() > head.size() &&
                std::equal(head.begin(), head.end(), calls.pdf.begin()),
            "the result is not a PDF document");
    require(calls.pdf == other.pdf, "two versions made different documents");
    require(calls.sealed == other.sealed, "two versions encrypted to different bytes");
    require(cpu_chain::unseal(other.sealed, key) == calls.pdf,
            "decrypting did not give the document back");
}

int run(int argc, char** argv) {
    int width = 2400;
    int rounds = 9;
    std::size_t threads = support::processor_count();
    std::string output;

    CLI::App options{"A chain of four steps, each of which needs the last: resize a picture, "
                     "base64, PDF, encrypt. As plain calls, as a task for each step, and "
                     "with each step offloaded.",
                     "cpu_chain"};
    options.add_option("--size", width, "width of the generated picture, in pixels")
        ->check(CLI::Range(16, 16000))
        ->capture_default_str();
    options.add_option("--rounds", rounds, "how often to run each version")
        ->check(CLI::Range(1, 100000))
        ->capture_default_str();
    options.add_option("--threads", threads, "workers of the pool")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    options.add_option("--output", output, "write the PDF document to this file");
    if (!support::parse_options(options, argc, argv)) {
        return EXIT_SUCCESS;
    }

    const cpu_chain::picture original = cpu_chain::make_picture(width);
    const cpu_chain::seal_key key = cpu_chain::seal_key::make();
    aloft::runtime pool{aloft::runtime_options{}.threads(threads)};

    const auto run_calls = [&] { return chain_of_calls(original, key); };
    const auto run_tasks = [&] {
        return aloft::sync_wait(pool, chain_of_tasks(original, key, as_task));
    };
    const auto run_offloaded = [&] {
        return aloft::sync_wait(pool, chain_of_tasks(original, key, offloaded));
    };

    // A round that does not count: it fills caches and starts threads.
    verify(run_tasks(), run_offloaded(), key);

    series calls;
    series tasks;
    series offloads;
    for (int round = 0; round < rounds; ++round) {
        // One after the other in every round, so that all suffer alike from what else runs here.
        const chain_run called = calls.add(run_calls);
        verify(called, tasks.add(run_tasks), key);
        verify(called, offloads.add(run_offloaded), key);
    }

    std::cout << "A picture of " << original.width << " x " << original.height << " becomes "
              << support::format_bytes(calls.shown.pdf.size()) << " of PDF; " << rounds
              << " rounds, " << pool.threads() << " workers (" << pool.backend() << ").\n"
              << "Times are medians; threads are those of the round with the most hops.\n\n";

    const std::array<const series*, 3> versions{&calls, &tasks, &offloads};
    const auto row = [&](std::string_view name, auto cells) {
        std::vector<std::string> line{std::string(name)};
        for (const series* version : versions) {
            for (std::string& cell : cells(*version)) {
                line.push_back(std::move(cell));
            }
        }
        return line;
    };

    support::table steps{"step",      "calls",     "on thread", "tasks",
                         "on thread", "offloaded", "on thread"};
    for (std::size_t step = 0; step < step_names.size(); ++step) {
        steps.add_row(row(step_names[step], [step](const series& version) {
            return std::array{support::format_duration(median(version.steps[step])),
                              version.shown.steps[step].thread};
        }));
    }
    steps.add_rule();
    steps.add_row(row("all four", [](const series& version) {
        return std::array{support::format_duration(median(version.walls)), std::string{}};
    }));
    std::cout << steps << '\n';

    const nanoseconds calls_wall = median(calls.walls);
    const auto figure = [&](std::string_view name, auto value, std::string_view theory) {
        std::vector<std::string> line =
            row(name, [&](const series& version) { return std::array{value(version)}; });
        line.emplace_back(theory);
        return line;
    };
    support::table figures{"figure", "calls", "tasks", "offloaded", "theory"};
    figures.add_row(figure(
        "speed-up over calls",
        [&](const series& version) {
            return support::format_factor(static_cast<double>(calls_wall.count()) /
                                          static_cast<double>(median(version.walls).count()));
        },
        "1.00 x, with any number of threads"));
    figures.add_row(figure(
        "processors busy",
        [](const series& version) {
            return support::format_fixed(static_cast<double>(version.processor.count()) /
                                         static_cast<double>(version.wall.count()));
        },
        "1.00: no two steps can overlap"));
    figures.add_row(figure(
        "added per step",
        [&](const series& version) {
            return support::format_duration((median(version.walls) - calls_wall) /
                                            static_cast<int>(step_names.size()));
        },
        "microseconds, or lost in the noise"));
    figures.add_row(figure(
        "thread hops a round",
        [&](const series& version) {
            return support::format_fixed(static_cast<double>(version.hops) / rounds, 1);
        },
        "0; 0 if no other worker is free; 8: there and back for each step"));
    std::cout << figures
              << "\nVerified: all versions gave the same bytes in every round, and they "
                 "decrypt to the document.\n";

    if (!output.empty()) {
        std::ofstream file{output, std::ios::binary};
        file.write(reinterpret_cast<const char*>(calls.shown.pdf.data()),
                   static_cast<std::streamsize>(calls.shown.pdf.size()));
        file.close();
        require(!file.fail(), ("cannot write " + output).c_str());
        std::cout << "Wrote " << output << ".\n";
    }
    return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char** argv) {
    return support::run_program("cpu_chain", [&] { return run(argc, argv); });
}

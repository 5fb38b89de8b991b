// SPDX-License-Identifier: MIT
// One job at a time: where plain calls are shorter than tasks and at least as fast.
#include <aloft/file.hpp>
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "../support/measure.hpp"
#include "../support/program.hpp"
#include "../support/table.hpp"
#include "read_with_calls.hpp"
#include "scratch.hpp"
#include "tiny.hpp"

namespace {

using std::chrono::nanoseconds;
using paths = std::vector<std::string>;
using when_not_to::read_with_calls;

// ---- One file after another. Each function returns the bytes it read.

std::uint64_t files_with_calls(const paths& files) {
    std::uint64_t bytes = 0;
    for (const std::string& path : files) {
        bytes += read_with_calls(path).size();
    }
    return bytes;
}

std::uint64_t files_with_streams(const paths& files) {
    std::uint64_t bytes = 0;
    for (const std::string& path : files) {
        std::ifstream file{path, std::ios::binary | std::ios::ate};
        std::vector<char> content(file ? static_cast<std::size_t>(file.tellg()) : 0);
        file.seekg(0);
        file.read(content.data(), static_cast<std::streamsize>(content.size()));
        if (!file) {
            throw std::runtime_error("cannot read " + path);
        }
        bytes += content.size();
    }
    return bytes;
}

aloft::task<std::uint64_t> files_with_tasks(const paths& files) {
    std::uint64_t bytes = 0;
    for (const std::string& path : files) {
        const std::vector<std::byte> content = co_await aloft::read_file(path);
        bytes += content.size();
    }
    co_return bytes;
}

aloft::task<std::uint64_t> files_with_offload(const paths& files) {
    std::uint64_t bytes = 0;
    for (const std::string& path : files) {
        bytes += co_await aloft::offload([&path] { return read_with_calls(path).size(); });
    }
    co_return bytes;
}

// ---- One tiny computation after another. Each returns the last value.

constexpr std::uint64_t seed = 88172645463325252U;

std::uint64_t tiny_with_calls(std::uint64_t count) {
    std::uint64_t value = seed;
    for (std::uint64_t number = 0; number < count; ++number) {
        value = when_not_to::tiny(value);
    }
    return value;
}

aloft::task<std::uint64_t> tiny_task(std::uint64_t value) {
    co_return when_not_to::tiny(value);
}

aloft::task<std::uint64_t> tiny_with_tasks(std::uint64_t count) {
    std::uint64_t value = seed;
    for (std::uint64_t number = 0; number < count; ++number) {
        value = co_await tiny_task(value);
    }
    co_return value;
}

aloft::task<std::uint64_t> tiny_with_spawn(std::uint64_t count) {
    std::uint64_t value = seed;
    for (std::uint64_t number = 0; number < count; ++number) {
        value = co_await aloft::spawn([value] { return when_not_to::tiny(value); });
    }
    co_return value;
}

// ---- Measuring and printing.

/// The best of several runs: what disturbs a run only ever makes it slower.
struct outcome {
    support::usage best;
    std::uint64_t value = 0;
};

template <class Work>
outcome best_of(int rounds, Work work) {
    outcome result;
    result.best.wall = nanoseconds::max();
    for (int round = 0; round < rounds; ++round) {
        const support::usage used = support::measure([&] { result.value = work(); });
        if (used.wall < result.best.wall) {
            result.best = used;
        }
    }
    return result;
}

class comparison {
public:
    explicit comparison(std::string_view item)
        : table_{"how",           "items", "wall clock", std::string(item), "processor time",
                 "against calls", "theory"} {}

    void add(std::string_view how, std::uint64_t items, const outcome& result,
             std::string_view theory) {
        const double each =
            static_cast<double>(result.best.wall.count()) / static_cast<double>(items);
        if (reference_ == 0.0) {
            reference_ = each;
        }
        table_.add(how, items, support::format_duration(result.best.wall),
                   support::format_duration_per_item(result.best.wall, items),
                   support::format_duration(result.best.processor),
                   support::format_factor(each / reference_), theory);
    }

    void print() const { std::cout << table_ << '\n'; }

private:
    support::table table_;
    double reference_ = 0.0;
};

void require_equal(std::uint64_t measured, std::uint64_t expected, const char* what) {
    if (measured != expected) {
        throw std::runtime_error(std::string(what) + ": the ways do not agree on the result");
    }
}

int run(int argc, char** argv) {
    std::size_t files = 1000;
    std::size_t file_bytes = 4096;
    std::uint64_t calls = 10000000;
    int rounds = 3;
    std::size_t threads = support::processor_count();

    CLI::App options{"One job at a time, as plain calls and as tasks: what the tasks cost where "
                     "they can gain nothing.",
                     "when_not_to"};
    options.add_option("--files", files, "small files to read one after another")
        ->check(CLI::Range(1, 1000000))
        ->capture_default_str();
    options.add_option("--file-bytes", file_bytes, "size of each file")
        ->check(CLI::Range(0, 1 << 20))
        ->capture_default_str();
    options.add_option("--calls", calls, "tiny computations one after another")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{10000000000}))
        ->capture_default_str();
    options.add_option("--rounds", rounds, "how often to run each; the best counts")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    options.add_option("--threads", threads, "workers of the pool")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    if (!support::parse_options(options, argc, argv)) {
        return EXIT_SUCCESS;
    }

    aloft::runtime pool{aloft::runtime_options{}.threads(threads)};
    std::cout << "Best of " << rounds << "; " << pool.threads() << " workers (" << pool.backend()
              << ").\n\n";

    {
        const when_not_to::scratch_files folder{files, file_bytes};
        const paths& names = folder.paths();
        const std::uint64_t expected = std::uint64_t{files} * file_bytes;
        files_with_calls(names); // now all of them are in the page cache

        const outcome by_calls = best_of(rounds, [&] { return files_with_calls(names); });
        const outcome by_streams = best_of(rounds, [&] { return files_with_streams(names); });
        const outcome by_tasks =
            best_of(rounds, [&] { return aloft::sync_wait(pool, files_with_tasks(names)); });
        const outcome by_offload =
            best_of(rounds, [&] { return aloft::sync_wait(pool, files_with_offload(names)); });
        for (const outcome* result : {&by_calls, &by_streams, &by_tasks, &by_offload}) {
            require_equal(result->value, expected, "reading files");
        }

        std::cout << "Reading small files that are in the page cache, one after another:\n";
        comparison figures{"per file"};
        figures.add("open, pread, close", files, by_calls, "the system calls, nothing else");
        figures.add("std::ifstream", files, by_streams, "the same calls and a stream buffer");
        figures.add("co_await read_file", files, by_tasks, "above 1: the same work in the kernel");
        figures.add("co_await offload", files, by_offload, "above 1: two thread changes per file");
        figures.print();
    }

    {
        // A spawned task costs so much more that a tenth of them shows its price as well.
        const std::uint64_t spawns = std::max<std::uint64_t>(calls / 10, 1);
        const outcome by_calls = best_of(rounds, [&] { return tiny_with_calls(calls); });
        const outcome by_tasks =
            best_of(rounds, [&] { return aloft::sync_wait(pool, tiny_with_tasks(calls)); });
        const outcome by_spawn =
            best_of(rounds, [&] { return aloft::sync_wait(pool, tiny_with_spawn(spawns)); });
        require_equal(by_tasks.value, by_calls.value, "computing");
        require_equal(by_spawn.value, tiny_with_calls(spawns), "computing");

        std::cout << "A computation of a few instructions, one after another:\n";
        comparison figures{"per call"};
        figures.add("plain call", calls, by_calls, "the instructions, nothing else");
        figures.add("co_await a task", calls, by_tasks, "above 1: a frame made and freed for each");
        figures.add("co_await spawn", spawns, by_spawn,
                    "above that: through the scheduler as well");
        figures.print();
    }
    std::cout << "Verified: every way gave the same result.\n";
    return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char** argv) {
    return support::run_program("when_not_to", [&] { return run(argc, argv); });
}

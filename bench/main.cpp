// SPDX-License-Identifier: MIT
// aloft_bench: aloft's figures beside those of what one would write otherwise.
//
//     aloft_bench                        everything; some minutes
//     aloft_bench --quick                everything, for moments only: does it work?
//     aloft_bench --markdown=table.md    writes the closing table to a file, too
//     aloft_bench --backend=epoll        automatic (the default), io_uring or epoll
//     aloft_bench --threads=4            workers; default: one per hardware thread
//     aloft_bench --benchmark_filter=spawn/100000
//
// and everything else that Google Benchmark understands. Repetitions of all benchmarks are run in a
// random order, so that what slows the machine down for a while does not hit one side only.
#include "suites.hpp"
#include "support/comparison.hpp"
#include "support/machine.hpp"
#include "support/pool.hpp"
#include "support/table_reporter.hpp"

#include <benchmark/benchmark.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

void print_help() {
    std::puts("aloft_bench [--quick] [--markdown=FILE] [--backend=automatic|io_uring|epoll] "
              "[--threads=N]\n"
              "and the options of Google Benchmark:\n");
    benchmark::PrintDefaultHelp();
}

class command_line {
public:
    command_line(int argc, char** argv) {
        std::vector<std::string> others;
        for (int i = 1; i < argc; ++i) {
            const std::string_view argument = argv[i];
            if (argument == "--quick") {
                quick_ = true;
            } else if (const auto file = value_of(argument, "--markdown=")) {
                markdown_ = *file;
            } else if (const auto name = value_of(argument, "--backend=")) {
                bench::pool_options().backend(backend_of(*name));
            } else if (const auto count = value_of(argument, "--threads=")) {
                bench::pool_options().threads(number_of(*count));
            } else {
                others.emplace_back(argument);
            }
        }
        // What the user says comes behind, and so wins.
        arguments_ = {argv[0], "--benchmark_enable_random_interleaving=true",
                      quick_ ? "--benchmark_repetitions=1" : "--benchmark_repetitions=7",
                      quick_ ? "--benchmark_min_time=0.001" : "--benchmark_min_time=0.2",
                      "--benchmark_counters_tabular=false"};
        arguments_.insert(arguments_.end(), others.begin(), others.end());
    }

    /// Hands the arguments to Google Benchmark; false if one is left that nobody understands.
    [[nodiscard]] bool initialize() {
        std::vector<char*> pointers;
        for (std::string& argument : arguments_) {
            pointers.push_back(argument.data());
        }
        int count = static_cast<int>(pointers.size());
        pointers.push_back(nullptr);
        benchmark::Initialize(&count, pointers.data(), &print_help);
        return !benchmark::ReportUnrecognizedArguments(count, pointers.data());
    }

    [[nodiscard]] const std::string& markdown() const noexcept { return markdown_; }

private:
    static std::optional<std::string_view> value_of(std::string_view argument,
                                                    std::string_view option) {
        if (!argument.starts_with(option)) {
            return std::nullopt;
        }
        return argument.substr(option.size());
    }

    static aloft::backend backend_of(std::string_view name) {
        if (name == "automatic") {
            return aloft::backend::automatic;
        }
        if (name == "io_uring") {
            return aloft::backend::io_uring;
        }
        if (name == "epoll") {
            return aloft::backend::epoll;
        }
        throw std::invalid_argument("--backend: automatic, io_uring or epoll is expected");
    }

    static std::size_t number_of(std::string_view text) {
        std::size_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || end != text.data() + text.size()) {
            throw std::invalid_argument("--threads: a number is expected");
        }
        return number;
    }

    bool quick_ = false;
    std::string markdown_;
    std::vector<std::string> arguments_;
};

void add_all_suites() {
    bench::add_task_suite();
    bench::add_spawn_suite();
    bench::add_when_all_suite();
    bench::add_yield_suite();
    bench::add_timer_suite();
    bench::add_offload_suite();
    bench::add_file_suite();
    bench::add_tcp_echo_suite();
}

int run(int argc, char** argv) {
    command_line options(argc, argv);
    if (!options.initialize()) {
        return 2;
    }
    bench::raise_descriptor_limit();
    (void)std::signal(SIGPIPE, SIG_IGN);
    for (const auto& [name, value] : bench::describe_machine()) {
        std::cerr << name << ": " << value << '\n';
        benchmark::AddCustomContext(name, value);
    }
    add_all_suites();

    bench::table_reporter reporter(benchmark::ConsoleReporter::OO_None);
    if (benchmark::RunSpecifiedBenchmarks(&reporter) == 0) {
        std::cerr << "aloft_bench: no benchmark has that name\n";
        return 2;
    }
    const std::string table = reporter.markdown();
    std::cout << '\n' << table;
    if (!options.markdown().empty()) {
        std::ofstream file(options.markdown());
        file << table << std::flush;
        if (!file) {
            throw std::runtime_error("cannot write " + options.markdown());
        }
    }
    benchmark::Shutdown();
    return reporter.failed() ? 1 : 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "aloft_bench: %s\n", error.what());
        return 2;
    }
}

// SPDX-License-Identifier: MIT A page from three sources, put together in three ways: blocking
// threads, co_await in sequence, co_await when_all; by 1, 3 and 1,000 requests at once.
#include "api_server.hpp"
#include "child_run.hpp"
#include "descriptor_limit.hpp"
#include "interruption.hpp"
#include "report.hpp"
#include "settings.hpp"
#include "surroundings.hpp"

#include "../support/program.hpp"
#include "../support/table.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using user_page::measured;
using user_page::settings;

class choices {
public:
    std::vector<std::size_t> requests{1, 3, 1000};
    std::vector<std::string> versions{"threads", "sequence", "when_all"};
    std::string database;
    settings common;
    bool quick = false;
};

void check_descriptors(std::size_t requests) {
    // In a run: a connection to the database, three descriptors of libcurl's, a file; and some to
    // spare.
    const std::size_t needed = requests * 5 + 64;
    if (const std::size_t allowed = user_page::raise_descriptor_limit(); allowed < needed) {
        throw std::runtime_error(std::to_string(requests) + " requests need " +
                                 std::to_string(needed) + " descriptors, and only " +
                                 std::to_string(allowed) + " are allowed (ulimit -Hn)");
    }
}

void print_head(const choices& chosen, const user_page::surroundings& around) {
    const std::string delay = std::to_string(chosen.common.delay_ms) + " ms";
    std::cout << "A page takes a name from a database, a profile from disk, a feed from an HTTP "
                 "API; each with a delay of "
              << delay << ".\n\n"
              << "  database   " << around.database_in_words() << "\n"
              << "             the delay is spent in the statement\n"
              << "  disk       a file per user; the read is real, its delay is added by the "
                 "program (sleep_for)\n"
              << "  API        process " << around.api_process()
              << " on loopback; the delay is a timer there\n\n"
              << "Each version runs in a process of its own; neither the database's nor the API's "
                 "threads and memory count.\n"
              << "Connections to the database and to the API are opened before the clock starts.\n";
}

int compare(const choices& chosen) {
    const std::size_t most = *std::max_element(chosen.requests.begin(), chosen.requests.end());
    check_descriptors(most);
    user_page::watch_for_interruption();
    const user_page::surroundings around(chosen.database, most);
    user_page::check_interruption();
    print_head(chosen, around);
    std::size_t wrong = 0;
    for (const std::size_t requests : chosen.requests) {
        std::vector<measured> versions;
        for (const std::string& version : chosen.versions) {
            settings how = chosen.common;
            how.version = version;
            how.requests = requests;
            around.describe(how);
            versions.push_back({how, user_page::run_in_child(how)});
            wrong += versions.back().found.wrong_pages;
            if (how.traced()) {
                user_page::print_steps(versions.back());
            }
        }
        user_page::print_comparison(versions);
        const std::string& backend = versions.back().found.backend;
        if (!backend.empty()) {
            std::cout << "\n  aloft's backend: " << backend << "\n";
        }
    }
    if (wrong != 0) {
        throw std::runtime_error(std::to_string(wrong) + " pages are wrong");
    }
    return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char** argv) {
    return support::run_program("user_page", [&]() -> int {
        choices chosen;
        bool serve = false;
        std::string measure;
        CLI::App options{"One page from a database, a disk and an HTTP API: three ways to wait",
                         "user_page"};
        options
            .add_option("--requests", chosen.requests, "how many at once, one or several numbers")
            ->delimiter(',')
            ->check(CLI::Range(1, 4000))
            ->capture_default_str();
        options.add_option("--versions", chosen.versions, "threads, sequence, when_all")
            ->delimiter(',')
            ->check(CLI::IsMember({"threads", "sequence", "when_all"}));
        options.add_option("--threads", chosen.common.threads,
                           "workers of the pool; 0: one per processor");
        options.add_option("--backend", chosen.common.backend, "auto, io_uring or epoll")
            ->check(CLI::IsMember({"auto", "io_uring", "epoll"}));
        options.add_option("--delay", chosen.common.delay_ms, "milliseconds in each source")
            ->check(CLI::Range(0, 60'000))
            ->capture_default_str();
        options.add_option(
            "--db", chosen.database,
            "a connection string of PostgreSQL's, or 'sqlite'; without it a server is started");
        options.add_flag("--quick", chosen.quick, "1, 3 and 50 requests");
        // How the program starts itself:
        options.add_flag("--serve-api", serve)->group("");
        options.add_option("--measure", measure)->group("");
        if (!support::parse_options(options, argc, argv)) {
            return EXIT_SUCCESS;
        }
        if (serve) {
            user_page::serve_api();
            return EXIT_SUCCESS;
        }
        if (!measure.empty()) {
            user_page::report_measured_run(measure);
            return EXIT_SUCCESS;
        }
        if (chosen.quick) {
            chosen.requests = {1, 3, 50};
        }
        return compare(chosen);
    });
}

// SPDX-License-Identifier: MIT
// What every example does around its work: reads the command line, reports errors, sets the
// exit status.
//
//     int main(int argc, char** argv) {
//         return support::run_program("cpu_chain", [&]() -> int {
//             CLI::App options{"what it shows", "cpu_chain"};
//             ...
//             if (!support::parse_options(options, argc, argv)) {
//                 return 0;
//             }
//             ...
//             return 0;
//         });
//     }
//
// `--help` exits with 0; a wrong option, a missing file or any other exception with a line on
// standard error and a status other than 0.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>
#include <thread>
#include <utility>

namespace support {

template <class Body>
[[nodiscard]] int run_program(std::string_view name, Body&& body) {
    try {
        return std::forward<Body>(body)();
    } catch (const CLI::Error& error) {
        std::cerr << name << ": " << error.what() << "\nTry '" << name << " --help'.\n";
        return 2;
    } catch (const std::exception& error) {
        std::cerr << name << ": " << error.what() << '\n';
        return EXIT_FAILURE;
    }
}

/// Parses; false after it has printed the help that was asked for.
/// Errors: throws CLI::ParseError, which `run_program` turns into a message and status 2.
[[nodiscard]] inline bool parse_options(CLI::App& options, int argc, char** argv) {
    try {
        options.parse(argc, argv);
        return true;
    } catch (const CLI::CallForHelp&) {
        std::cout << options.help();
        return false;
    }
}

/// Processors that this process may use, at least 1.
[[nodiscard]] inline unsigned processor_count() {
    const unsigned count = std::thread::hardware_concurrency();
    return count == 0 ? 1 : count;
}

} // namespace support

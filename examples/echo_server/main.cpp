// SPDX-License-Identifier: MIT
// A TCP echo server: many connections on few threads, and a graceful stop on SIGINT or SIGTERM.
#include <aloft/as_result.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/runtime.hpp>
#include <aloft/signal_set.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "../support/measure.hpp"
#include "../support/program.hpp"
#include "../support/table.hpp"
#include "log.hpp"
#include "selftest.hpp"
#include "server.hpp"

namespace {

aloft::task<> stop_on_signal(aloft::signal_set& signals, echo_server::server& serving,
                             std::chrono::milliseconds grace) {
    for (bool first = true;; first = false) {
        const aloft::result<int> caught = co_await aloft::as_result(signals.wait());
        if (!caught) {
            co_return; // the runtime ends
        }
        const std::string name = *caught == SIGINT ? "SIGINT" : "SIGTERM";
        echo_server::log_line(first
                                  ? name + ": stopping within " + support::format_duration(grace) +
                                        "; once more to stop at once"
                                  : name + ": stopping at once");
        serving.request_stop();
    }
}

// A test that fails does not get as far as the signal, so the server must be stopped here.
aloft::task<> test_or_stop(echo_server::server& serving, std::size_t clients) {
    std::exception_ptr failure;
    try {
        co_await echo_server::selftest(serving.local_endpoint(), clients);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        serving.request_stop();
        serving.request_stop();
        std::rethrow_exception(failure);
    }
}

aloft::task<> serve_and_test(echo_server::server& serving, std::size_t clients) {
    co_await aloft::when_all(serving.run(), test_or_stop(serving, clients));
}

void print_totals(const echo_server::totals& done, const support::usage& used, std::size_t workers,
                  std::chrono::milliseconds grace) {
    support::table figures{"figure", "measured", "theory"};
    figures.add("connections", done.connections, "");
    figures.add("requests", done.requests, "");
    figures.add("bytes received", done.bytes_received, "");
    figures.add("bytes echoed", done.bytes_echoed,
                done.closed_by_force + done.connection_errors == 0
                    ? support::format_count(done.bytes_received)
                    : "less by what failed or forced connections held");
    figures.add("connection errors", done.connection_errors, "");
    figures.add("accept errors", done.accept_errors, "");
    figures.add("most connections open", done.most_open, "");
    figures.add("threads by then", done.threads_at_most_open,
                support::format_count(workers + 1) + " to a few more, with any number open");
    figures.add("closed by force", done.closed_by_force, "clients that do not read");
    figures.add("time to stop", support::format_duration(done.stopping),
                "at most " + support::format_duration(grace) + " and a moment");
    figures.add("processor time", support::format_duration(used.processor), "");
    figures.add("up for", support::format_duration(used.wall), "");
    std::cout << figures;
}

int run(int argc, char** argv) {
    std::string address = "127.0.0.1";
    std::uint16_t port = 7007;
    std::size_t threads = support::processor_count();
    std::int64_t grace_milliseconds = 2000;
    std::size_t selftest_clients = 0;

    CLI::App options{"A TCP echo server. SIGINT or SIGTERM stop it gracefully.", "echo_server"};
    options.add_option("--address", address, "address to listen on, IPv4 or IPv6")
        ->capture_default_str();
    CLI::Option* port_option =
        options.add_option("--port", port, "port to listen on; 0 takes a free one")
            ->capture_default_str();
    options.add_option("--threads", threads, "workers of the pool")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    options
        .add_option("--grace", grace_milliseconds,
                    "how long connections may take to end after a signal, in milliseconds")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{3600000}))
        ->capture_default_str();
    options
        .add_option("--selftest", selftest_clients,
                    "connect this many clients to itself, compare the echoes, stop")
        ->check(CLI::Range(1, 100000));
    if (!support::parse_options(options, argc, argv)) {
        return EXIT_SUCCESS;
    }
    if (selftest_clients > 0 && port_option->empty()) {
        port = 0;
    }

    const std::chrono::milliseconds grace{grace_milliseconds};
    // The order matters: the runtime ends first, and with it every task that uses the others.
    aloft::signal_set signals{SIGINT, SIGTERM};
    echo_server::server serving{aloft::endpoint{address, port}, grace};
    aloft::runtime pool{aloft::runtime_options{}.threads(threads)};

    std::cout << "Listening on " << serving.local_endpoint().to_string() << ", " << pool.threads()
              << " workers (" << pool.backend() << ").\n"
              << std::flush;
    aloft::spawn(pool, stop_on_signal(signals, serving, grace)).detach();
    const support::usage used = support::measure([&] {
        if (selftest_clients > 0) {
            aloft::sync_wait(pool, serve_and_test(serving, selftest_clients));
        } else {
            aloft::sync_wait(pool, serving.run());
        }
    });
    print_totals(serving.so_far(), used, pool.threads(), grace);
    if (selftest_clients > 0) {
        std::cout << "Verified: every echo was what had been sent.\n";
    }
    return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char** argv) {
    return support::run_program("echo_server", [&] { return run(argc, argv); });
}

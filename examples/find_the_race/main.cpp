// SPDX-License-Identifier: MIT
// A bank with a fault that shows in some orders only: explore() finds such an order, replays it, and
// passes the repaired bank.
#include <aloft/clock.hpp>
#include <aloft/mutex.hpp>
#include <aloft/simulate.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/program.hpp"

namespace {

using namespace aloft;
using namespace std::chrono_literals;

const endpoint bank_address{"10.0.0.1", 7000};
constexpr int deposits = 4;
constexpr int amount = 25;

/// What an account costs to read and to write is a trip to a store.
class account {
public:
    explicit account(bool locked) : locked_(locked) {}

    task<int> deposit(int more) {
        mutex::guard guard;
        if (locked_) {
            guard = co_await mutex_.lock();
        }
        co_await sleep_for(20us);
        const int before = balance_;
        co_await sleep_for(1us); // the fault: whoever comes between is forgotten
        balance_ = before + more;
        co_return balance_;
    }

    [[nodiscard]] int balance() const noexcept { return balance_; }

private:
    bool locked_;
    mutex mutex_;
    int balance_ = 0;
};

task<> serve_one(tcp_stream customer, account& of) {
    std::array<char, 4> request{};
    (void)co_await customer.read_exact(std::span<char>(request));
    int more = 0;
    (void)std::from_chars(request.data(), request.data() + request.size(), more);
    (void)co_await of.deposit(more);
    (void)co_await customer.write_all(std::string_view("done"));
}

task<> serve(tcp_listener& listener, account& of) {
    std::vector<task<>> customers;
    for (int i = 0; i < deposits; ++i) {
        customers.push_back(serve_one(co_await listener.accept(), of));
    }
    co_await when_all(std::move(customers));
}

/// Comes some time within the same ten milliseconds, over the network.
task<> pay_in(std::chrono::microseconds delay) {
    co_await sleep_for(delay);
    tcp_stream bank = co_await tcp_stream::connect(bank_address);
    (void)co_await bank.write_all(std::string_view("0025"));
    std::array<char, 4> answer{};
    (void)co_await bank.read_exact(std::span<char>(answer));
}

task<> a_day_at_the_bank(bool locked) {
    account savings(locked);
    tcp_listener listener = tcp_listener::bind(bank_address);
    std::vector<task<>> customers;
    for (int i = 0; i < deposits; ++i) {
        customers.push_back(pay_in(i * 3ms));
    }
    co_await when_all(serve(listener, savings), when_all(std::move(customers)));
    if (savings.balance() != deposits * amount) {
        throw std::logic_error("the balance is " + std::to_string(savings.balance()) +
                               " and should be " + std::to_string(deposits * amount));
    }
}

struct finding {
    exploration found;
    double seconds;
};

finding look_for_it(std::uint64_t count, bool locked) {
    const auto start = std::chrono::steady_clock::now();
    const auto day = [locked] { return a_day_at_the_bank(locked); };
    exploration found = explore(seeds{count}, simulation_options{}, day);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return {std::move(found), took.count()};
}

void show_trace(const std::vector<std::string>& trace, std::size_t most) {
    const std::size_t first = trace.size() > most ? trace.size() - most : 0;
    for (std::size_t i = first; i < trace.size(); ++i) {
        std::cout << "    " << trace[i] << '\n';
    }
}

/// An hour of sleeping, in virtual time.
double seconds_for_an_hour() {
    const auto start = std::chrono::steady_clock::now();
    const auto hour = []() -> task<> {
        const auto begin = clock::now();
        while (clock::now() - begin < 1h) {
            co_await sleep_for(1s);
        }
    };
    simulate(1, simulation_options{}, hour);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(int argc, char** argv) {
    CLI::App app{"Looks for an order of events in which a deposit is forgotten.", "find_the_race"};
    std::uint64_t count = 10'000;
    std::size_t lines = 12;
    app.add_option("--seeds", count, "how many seeds to try")->capture_default_str();
    app.add_option("--lines", lines, "how many lines of the trace to show")->capture_default_str();
    if (!support::parse_options(app, argc, argv)) {
        return EXIT_SUCCESS;
    }

    const auto [bad, bad_seconds] = look_for_it(count, false);
    if (bad.passed()) {
        std::cout << "No seed of " << bad.runs() << " showed the fault.\n";
        return EXIT_FAILURE;
    }
    std::cout << "The bank without a lock: seed " << bad.seed() << " fails (run " << bad.runs()
              << ", " << bad_seconds << " s): " << bad.what() << '\n'
              << "Replayed: " << (bad.replayed() ? "the same way, to the same end" : "differently!")
              << ". The last events:\n";
    show_trace(bad.trace(), lines);

    const auto [good, good_seconds] = look_for_it(count, true);
    std::cout << "The bank with a lock: " << good.runs() << " seeds, "
              << (good.passed() ? "none fails" : good.what()) << " (" << good_seconds << " s).\n";
    const double hour = seconds_for_an_hour();
    std::cout << "An hour of virtual time with a task that sleeps a second at a time: " << hour
              << " s.\n";
    return bad.replayed() && good.passed() ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int main(int argc, char** argv) {
    return support::run_program("find_the_race", [&] { return run(argc, argv); });
}

// SPDX-License-Identifier: MIT
// Requests that wait: a thread for each, a task for each, and then far more tasks than any machine
// has threads.
#include <aloft/runtime.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>

#include <CLI/CLI.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "../support/measure.hpp"
#include "../support/program.hpp"
#include "../support/table.hpp"
#include "child.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using clock_type = std::chrono::steady_clock;

/// Counts the requests that wait at the same time. Thread safety: any thread.
class gauge {
public:
    explicit gauge(std::uint64_t expected) : expected_(expected) {}

    void enter() {
        const std::uint64_t inside = inside_.fetch_add(1) + 1;
        raise(most_inside_, inside);
        // The threads are counted at every power of two: 20 times for a million requests.
        if (inside == expected_ || (inside & (inside - 1)) == 0) {
            raise(most_threads_, support::thread_count());
        }
        if (inside == expected_) {
            full_after_.store((clock_type::now() - start_).count());
        }
    }

    void leave() { inside_.fetch_sub(1); }

    [[nodiscard]] std::uint64_t most_inside() const { return most_inside_.load(); }
    [[nodiscard]] std::uint64_t most_threads() const { return most_threads_.load(); }

    /// When the last one came in; 0 if they were never all inside.
    [[nodiscard]] std::int64_t full_after() const { return full_after_.load(); }

private:
    static void raise(std::atomic<std::uint64_t>& highest, std::uint64_t value) {
        std::uint64_t seen = highest.load();
        while (seen < value && !highest.compare_exchange_weak(seen, value)) {
        }
    }

    const std::uint64_t expected_;
    const clock_type::time_point start_ = clock_type::now();
    std::atomic<std::uint64_t> inside_{0};
    std::atomic<std::uint64_t> most_inside_{0};
    std::atomic<std::uint64_t> most_threads_{0};
    std::atomic<std::int64_t> full_after_{0};
};

/// What a child process reports on its standard output, in this order.
struct report {
    std::uint64_t count = 0;
    std::int64_t wall = 0;
    std::int64_t processor = 0;
    std::uint64_t switches = 0;
    std::uint64_t memory = 0;
    std::uint64_t threads = 0;
    std::uint64_t most_inside = 0;
    std::int64_t full_after = 0;
    std::string backend;

    friend std::ostream& operator<<(std::ostream& out, const report& what) {
        return out << what.count << ' ' << what.wall << ' ' << what.processor << ' '
                   << what.switches << ' ' << what.memory << ' ' << what.threads << ' '
                   << what.most_inside << ' ' << what.full_after << ' ' << what.backend;
    }

    friend std::istream& operator>>(std::istream& in, report& what) {
        in >> what.count >> what.wall >> what.processor >> what.switches >> what.memory >>
            what.threads >> what.most_inside >> what.full_after >> std::ws;
        return std::getline(in, what.backend);
    }

    [[nodiscard]] double memory_each() const {
        return static_cast<double>(memory) / static_cast<double>(count);
    }
};

report make_report(std::uint64_t count, const support::usage& used, const gauge& waiting,
                   std::string backend) {
    report made;
    made.count = count;
    made.wall = used.wall.count();
    made.processor = used.processor.count();
    made.switches = used.context_switches();
    made.memory = used.peak_resident_growth;
    made.threads = waiting.most_threads();
    made.most_inside = waiting.most_inside();
    made.full_after = waiting.full_after();
    made.backend = std::move(backend);
    return made;
}

report with_threads(std::uint64_t count, milliseconds delay) {
    gauge waiting{count};
    const support::usage used = support::measure([&] {
        std::vector<std::jthread> threads;
        threads.reserve(count);
        try {
            for (std::uint64_t number = 0; number < count; ++number) {
                threads.emplace_back([&waiting, delay] {
                    waiting.enter();
                    std::this_thread::sleep_for(delay);
                    waiting.leave();
                });
            }
        } catch (const std::system_error& error) {
            throw std::runtime_error(
                "only " + std::to_string(threads.size()) + " of " + std::to_string(count) +
                " threads could be started: " + error.code().message() + "; try a smaller --count");
        }
    });
    return make_report(count, used, waiting, "none");
}

aloft::task<> request(gauge& waiting, milliseconds delay) {
    waiting.enter();
    co_await aloft::sleep_for(delay);
    waiting.leave();
}

aloft::task<> all_requests(gauge& waiting, std::uint64_t count, milliseconds delay) {
    std::vector<aloft::task<>> requests;
    requests.reserve(count);
    for (std::uint64_t number = 0; number < count; ++number) {
        requests.push_back(request(waiting, delay));
    }
    co_await aloft::when_all(std::move(requests));
}

report with_tasks(std::uint64_t count, milliseconds delay, std::size_t threads) {
    aloft::runtime pool{aloft::runtime_options{}.threads(threads)};
    gauge first{1};
    aloft::sync_wait(pool, all_requests(first, 1, milliseconds{1})); // the pool is warm now
    gauge waiting{count};
    const support::usage used =
        support::measure([&] { aloft::sync_wait(pool, all_requests(waiting, count, delay)); });
    return make_report(count, used, waiting, std::string(pool.backend()));
}

report run_variant(const std::string& variant, std::uint64_t count, milliseconds delay,
                   std::size_t threads) {
    report result;
    std::istringstream text{in_flight::run_self(
        {"--variant=" + variant, "--count=" + std::to_string(count),
         "--delay=" + std::to_string(delay.count()), "--threads=" + std::to_string(threads)})};
    if (!(text >> result)) {
        throw std::runtime_error("the run with " + variant + " did not report its figures");
    }
    return result;
}

std::string duration_text(std::int64_t duration) {
    return support::format_duration(nanoseconds{duration});
}

std::string full_text(const report& what) {
    return what.full_after == 0 ? "never" : duration_text(what.full_after);
}

void print_comparison(const report& threads, const report& tasks, milliseconds delay,
                      std::size_t workers) {
    const std::string count = support::format_count(threads.count);
    support::table figures{"figure", "a thread each", "theory", "a task each", "theory"};
    figures.add("wall clock", duration_text(threads.wall),
                duration_text(nanoseconds{delay}.count()), duration_text(tasks.wall),
                duration_text(nanoseconds{delay}.count()));
    figures.add("waiting at the same time", threads.most_inside, count, tasks.most_inside, count);
    figures.add("threads", threads.threads, support::format_count(threads.count + 1), tasks.threads,
                support::format_count(workers + 1) + " to a few more");
    figures.add("memory for each",
                support::format_bytes(static_cast<std::uint64_t>(threads.memory_each())),
                "8 KiB or more of stack",
                support::format_bytes(static_cast<std::uint64_t>(tasks.memory_each())),
                "one frame: hundreds of bytes");
    figures.add("context switches", threads.switches, "at least " + count, tasks.switches,
                "some for each worker");
    figures.add("processor time", duration_text(threads.processor), "tens of us for each",
                duration_text(tasks.processor), "about 1 us for each");
    std::cout << figures;
}

void print_many(const report& many, const report& threads, milliseconds delay,
                std::size_t workers) {
    const double full = many.full_after == 0 ? 0.0 : static_cast<double>(many.full_after);
    support::table figures{"figure", "a task each", "theory"};
    figures.add("waiting at the same time", many.most_inside, support::format_count(many.count));
    figures.add("until all were waiting", full_text(many),
                full > 0.0 ? "less than " + duration_text(nanoseconds{delay}.count())
                           : "(a longer --many-delay lets them all in)");
    figures.add("wall clock", duration_text(many.wall),
                duration_text(nanoseconds{delay}.count()) + " and the time to start them");
    figures.add("threads", many.threads, support::format_count(workers + 1) + " to a few more");
    figures.add("memory", support::format_bytes(many.memory), "frames only");
    figures.add("memory for each",
                support::format_bytes(static_cast<std::uint64_t>(many.memory_each())),
                "one frame: hundreds of bytes");
    figures.add("context switches", many.switches, "far fewer than tasks");
    figures.add("processor time", duration_text(many.processor),
                support::format_duration_per_item(nanoseconds{many.processor}, many.count) +
                    " for each, measured");
    std::cout << figures << "\nThat many threads would take "
              << support::format_bytes(static_cast<std::uint64_t>(threads.memory_each() *
                                                                  static_cast<double>(many.count)))
              << " by the figure measured above, and as many stacks again in the kernel.\n";
}

int run(int argc, char** argv) {
    std::uint64_t count = 1000;
    std::int64_t delay = 100;
    std::uint64_t many = 1000000;
    std::int64_t many_delay = 3000;
    std::size_t threads = support::processor_count();
    std::string variant;

    CLI::App options{"Requests that wait: a thread for each, a task for each, and a million "
                     "tasks.",
                     "in_flight"};
    options.add_option("--count", count, "requests of the comparison")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100000000}))
        ->capture_default_str();
    options.add_option("--delay", delay, "how long each of them waits, in milliseconds")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{3600000}))
        ->capture_default_str();
    options.add_option("--many", many, "tasks of the second part; 0 leaves it out")
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{100000000}))
        ->capture_default_str();
    options.add_option("--many-delay", many_delay, "how long each of those waits, in milliseconds")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{3600000}))
        ->capture_default_str();
    options.add_option("--threads", threads, "workers of the pool")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    options
        .add_option("--variant", variant,
                    "run only this one, here, and print bare figures; used for the child processes")
        ->check(CLI::IsMember({"threads", "tasks"}));
    if (!support::parse_options(options, argc, argv)) {
        return EXIT_SUCCESS;
    }

    if (!variant.empty()) {
        std::cout << (variant == "threads" ? with_threads(count, milliseconds{delay})
                                           : with_tasks(count, milliseconds{delay}, threads))
                  << '\n';
        return EXIT_SUCCESS;
    }

    const report by_threads = run_variant("threads", count, milliseconds{delay}, threads);
    const report by_tasks = run_variant("tasks", count, milliseconds{delay}, threads);
    std::cout << support::format_count(count) << " requests that wait for " << delay
              << " ms each; tasks on " << threads << " workers (" << by_tasks.backend << ").\n\n";
    print_comparison(by_threads, by_tasks, milliseconds{delay}, threads);

    if (many > 0) {
        const report by_many = run_variant("tasks", many, milliseconds{many_delay}, threads);
        std::cout << '\n'
                  << support::format_count(many) << " requests that wait for " << many_delay
                  << " ms each.\n\n";
        print_many(by_many, by_threads, milliseconds{many_delay}, threads);
    }
    return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char** argv) {
    return support::run_program("in_flight", [&] { return run(argc, argv); });
}

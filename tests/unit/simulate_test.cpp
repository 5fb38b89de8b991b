// SPDX-License-Identifier: MIT
// simulate and explore: the same seed gives the same run, the world behaves as kernels do, and what
// goes wrong in some order is found and found again.
#include <aloft/channel.hpp>
#include <aloft/clock.hpp>
#include <aloft/event.hpp>
#include <aloft/file.hpp>
#include <aloft/offload.hpp>
#if !defined(_WIN32)
#include <aloft/poll.hpp>
#endif
#include <aloft/retry.hpp>
#include <aloft/select.hpp>
#include <aloft/simulate.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/when_any.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace aloft;
using namespace std::chrono_literals;

namespace {

const endpoint server_address{"10.0.0.1", 80};

/// Sends what it gets back to where it came from, until the other side ends.
task<> echo(tcp_stream s) {
    std::array<char, 64> buffer{};
    for (;;) {
        const std::size_t got = co_await s.read_some(std::span<char>(buffer));
        if (got == 0) {
            co_return;
        }
        co_await s.write_all(std::string_view(buffer.data(), got));
    }
}

task<> serve(tcp_listener& listener, std::size_t connections) {
    for (std::size_t i = 0; i < connections; ++i) {
        tcp_stream s = co_await listener.accept();
        spawn(echo(std::move(s))).detach();
    }
}

task<std::string> ask(std::string text) {
    tcp_stream s = co_await tcp_stream::connect(server_address);
    co_await s.write_all(std::string_view(text));
    s.shutdown(shutdown_how::write);
    std::string back;
    std::array<char, 16> buffer{};
    for (;;) {
        const std::size_t got = co_await s.read_some(std::span<char>(buffer));
        if (got == 0) {
            co_return back;
        }
        back.append(buffer.data(), got);
    }
}

task<std::vector<std::string>> three_echoes() {
    tcp_listener listener = tcp_listener::bind(server_address);
    std::vector<task<std::string>> clients;
    for (const char* text : {"one", "a longer line than the buffer holds", ""}) {
        clients.push_back(ask(text));
    }
    auto [served, answers] = co_await when_all(serve(listener, 3), when_all(std::move(clients)));
    co_return std::move(answers);
}

std::vector<std::string> trace_of(std::uint64_t seed) {
    std::vector<std::string> lines;
    simulation_options options;
    options.on_trace([&](std::string_view line) { lines.emplace_back(line); });
    simulate(seed, options, [] { return three_echoes(); });
    return lines;
}

/// The code of what a program ends with; none if it does not fail.
template <class Main>
std::error_code code_of(Main main, const simulation_options& options = {}, std::uint64_t seed = 1) {
    try {
        simulate(seed, options, std::move(main));
    } catch (const std::system_error& error) {
        return error.code();
    }
    return {};
}

task<int> load_add_store(int& counter) {
    const int seen = counter;
    co_await yield();
    counter = seen + 1;
    co_return seen;
}

} // namespace

TEST_CASE("a simulated program gives its result, a reference and nothing, as tasks do") {
    static int somewhere = 7;
    CHECK(simulate(1, {}, []() -> task<int> { co_return 42; }) == 42);
    CHECK(simulate(1, {}, [](std::uint64_t seed) -> task<std::uint64_t> { co_return seed; }) == 1);
    int& reference = simulate(2, {}, []() -> task<int&> { co_return somewhere; });
    CHECK(&reference == &somewhere);
    simulate(3, {}, sleep_for(1h));
    simulate(3, {}, [] { return sleep_for(1h); });
}

TEST_CASE("an hour of virtual time is over when nothing else is to be done") {
    const auto passed = simulate(5, {}, []() -> task<std::chrono::nanoseconds> {
        const auto start = clock::now();
        for (int minute = 0; minute < 60; ++minute) {
            co_await sleep_for(1min);
        }
        co_return clock::now() - start;
    });
    CHECK(passed >= 1h);
    CHECK(passed < 1h + 1s);
}

TEST_CASE("outside of simulations the clock is the machine's") {
    const auto before = std::chrono::steady_clock::now().time_since_epoch();
    const auto between = clock::now().time_since_epoch();
    const auto after = std::chrono::steady_clock::now().time_since_epoch();
    CHECK(before <= between);
    CHECK(between <= after);
}

TEST_CASE("sleeps end in the order of their deadlines, whatever the seed") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        std::vector<int> order;
        const auto sleeper = [&](int number) -> task<> {
            co_await sleep_for(number * 10ms);
            order.push_back(number);
        };
        simulate(seed, {},
                 [&]() -> task<> { co_await when_all(sleeper(3), sleeper(1), sleeper(2)); });
        REQUIRE(order == std::vector{1, 2, 3});
    }
}

TEST_CASE("the same seed gives the same run, another seed another one") {
    const std::vector<std::string> first = trace_of(77);
    CHECK(first.size() > 20);
    CHECK(trace_of(77) == first);
    CHECK(trace_of(78) != first);
}

TEST_CASE("every order of tasks that are ready comes about") {
    std::set<std::vector<int>> orders;
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
        std::vector<int> order;
        const auto note = [&](int number) -> task<> {
            co_await yield();
            order.push_back(number);
        };
        simulate(seed, {}, [&]() -> task<> { co_await when_all(note(1), note(2), note(3)); });
        orders.insert(order);
    }
    CHECK(orders.size() == 6);
}

TEST_CASE("connections carry every byte in order, in pieces of any size") {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        const auto answers = simulate(seed, simulation_options{}.short_transfers(0.7),
                                      [] { return three_echoes(); });
        REQUIRE(answers ==
                std::vector<std::string>{"one", "a longer line than the buffer holds", ""});
    }
}

TEST_CASE("a writer waits while the window is full, and nothing is lost") {
    const std::string sent(10'000, 'x');
    const auto got =
        simulate(9, simulation_options{}.window_bytes(100), [&]() -> task<std::string> {
            tcp_listener listener = tcp_listener::bind(server_address);
            auto server = spawn(serve(listener, 1));
            std::string back(sent.size(), ' ');
            tcp_stream s = co_await tcp_stream::connect(server_address);
            const auto read = [&]() -> task<> { co_await s.read_exact(std::span<char>(back)); };
            const auto write = [&]() -> task<> { co_await s.write_all(std::string_view(sent)); };
            co_await when_all(read(), write());
            co_await server;
            co_return back;
        });
    CHECK(got == sent);
}

TEST_CASE("addresses are those that were bound, and ports are given out") {
    simulate(1, {}, []() -> task<> {
        tcp_listener any = tcp_listener::bind(endpoint{"0.0.0.0", 0});
        const std::uint16_t port = any.local_endpoint().port();
        CHECK(port != 0);
        tcp_stream there = co_await tcp_stream::connect(endpoint{"192.0.2.7", port});
        const tcp_stream here = co_await any.accept();
        CHECK(there.remote_endpoint() == endpoint("192.0.2.7", port));
        CHECK(here.remote_endpoint() == there.local_endpoint());
        tcp_listener six = tcp_listener::bind(endpoint{"::1", 0});
        co_await tcp_stream::connect(six.local_endpoint());
        there.set_no_delay();
    });
}

TEST_CASE("refusals have the codes that kernels give") {
    CHECK(code_of([]() -> task<> { co_await tcp_stream::connect(server_address); }) ==
          std::errc::connection_refused);
    CHECK(code_of([]() -> task<> {
              const tcp_listener one = tcp_listener::bind(server_address);
              const tcp_listener two = tcp_listener::bind(server_address);
              co_return;
          }) == std::errc::address_in_use);
    CHECK(code_of([]() -> task<> {
              tcp_listener closed = tcp_listener::bind(server_address);
              closed.close();
              co_await closed.accept();
          }) == std::errc::operation_canceled);
    CHECK(code_of([]() -> task<> { co_await file::open("/none", open_mode::read); }) ==
          std::errc::no_such_file_or_directory);
    CHECK(code_of(
              []() -> task<> {
                  const auto full = open_mode::write | open_mode::create;
                  file f = co_await file::open("/a", full);
                  co_await f.write_all(std::string_view("more than there is room for"));
              },
              simulation_options{}.disk_bytes(10)) == std::errc::no_space_on_device);
}

TEST_CASE("faults come only when they are asked for, and then they come") {
    std::vector<std::error_code> codes;
    std::size_t succeeded = 0;
    const simulation_options rough =
        simulation_options{}.resets(0.1).refusals(0.2).disk_faults(0.1).file("/in", "text");
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        const std::error_code code = code_of(
            []() -> task<> {
                (void)co_await read_file<std::string>("/in");
                co_await write_file("/out", std::string_view("text"));
                (void)co_await three_echoes();
            },
            rough, seed);
        codes.push_back(code);
        succeeded += !code ? 1 : 0;
    }
    CHECK(succeeded > 0);
    for (const std::errc expected :
         {std::errc::connection_reset, std::errc::connection_refused, std::errc::no_space_on_device,
          std::errc::io_error, std::errc::too_many_files_open}) {
        INFO(std::make_error_condition(expected).message());
        CHECK(std::ranges::any_of(codes,
                                  [&](const std::error_code& code) { return code == expected; }));
    }
}

TEST_CASE("files hold what was written, and begin with what the options say") {
    simulate(1, simulation_options{}.file("/etc/motd", "hello"), []() -> task<> {
        const auto motd = co_await read_file<std::string>("/etc/motd");
        CHECK(motd == "hello");
        file log = co_await file::open("/log", open_mode::append | open_mode::create);
        co_await log.write_all(std::string_view("one,"));
        co_await log.write_all(std::string_view("two"));
        co_await log.sync();
        const auto size = co_await log.size();
        CHECK(size == 7);
        co_await log.close();
        {
            const file more = co_await file::open("/log", open_mode::append);
            co_await more.write_all(std::string_view(",three"));
        }
        const auto text = co_await read_file<std::string>("/log");
        CHECK(text == "one,two,three");
        file both = co_await file::open("/log", open_mode::read | open_mode::write);
        co_await both.write_at(4, std::string_view("2"));
        std::array<char, 3> part{};
        const auto got = co_await both.read_at(3, std::span<char>(part));
        CHECK(std::string(part.data(), got) == std::string(",2w").substr(0, got));
    });
}

TEST_CASE("the machine's files and sockets are out of reach") {
    CHECK(code_of([]() -> task<> { (void)co_await read_file("/etc/hostname"); }) ==
          std::errc::no_such_file_or_directory);
}

TEST_CASE("a descriptor that outlives its world is gone and hits nobody") {
    tcp_stream left = simulate(1, {}, []() -> task<tcp_stream> {
        tcp_listener listener = tcp_listener::bind(server_address);
        tcp_stream s = co_await tcp_stream::connect(server_address);
        co_return s;
    });
    CHECK(left.is_open());
    CHECK_THROWS_AS(left.local_endpoint(), std::system_error);
    CHECK_THROWS_AS(sync_wait(left.write_some(std::string_view("x"))), std::system_error);
    left.close();
}

TEST_CASE("a peer that goes away is an end, and a reset for those who go on writing") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        const std::error_code code = code_of(
            []() -> task<> {
                tcp_listener listener = tcp_listener::bind(server_address);
                tcp_stream s = co_await tcp_stream::connect(server_address);
                {
                    const tcp_stream gone = co_await listener.accept();
                }
                std::array<char, 1> byte{};
                const std::size_t got = co_await s.read_some(std::span<char>(byte));
                REQUIRE(got == 0);
                for (int i = 0; i < 10; ++i) {
                    co_await s.write_some(std::string_view("x"));
                    co_await sleep_for(10ms);
                }
            },
            {}, seed);
        REQUIRE((code == std::errc::connection_reset || code == std::errc::broken_pipe));
    }
}

TEST_CASE("a stop and a completion race in both ways, and one of them wins") {
    std::size_t stopped = 0;
    std::size_t completed = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        simulate(seed, {}, [&]() -> task<> {
            tcp_listener listener = tcp_listener::bind(server_address);
            tcp_stream a = co_await tcp_stream::connect(server_address);
            tcp_stream b = co_await listener.accept();
            stop_source source;
            std::array<char, 1> byte{};
            const auto reader = [&]() -> task<> {
                try {
                    co_await with_stop(source.get_token(), a.read_some(std::span<char>(byte)));
                    ++completed;
                } catch (const std::system_error& error) {
                    CHECK(error.code() == std::errc::operation_canceled);
                    ++stopped;
                }
            };
            const auto stopper = [&]() -> task<> {
                co_await b.write_some(std::string_view("x"));
                co_await sleep_for(1ms);
                source.request_stop();
            };
            co_await when_all(reader(), stopper());
        });
    }
    CHECK(stopped > 0);
    CHECK(completed > 0);
    CHECK(stopped + completed == 200);
}

TEST_CASE("time limits count virtual time") {
    CHECK(code_of([]() -> task<> { co_await with_timeout(1h, sleep_for(2h)); }) ==
          std::errc::timed_out);
    CHECK(code_of([]() -> task<> { co_await with_timeout(3h, sleep_for(2h)); }) ==
          std::error_code{});
    simulate(1, {}, []() -> task<> {
        channel<int> never(1);
        const auto start = clock::now();
        const auto first = co_await select(never.recv(), after(24h));
        CHECK(first.index() == 1);
        CHECK(clock::now() - start >= 24h);
        co_await sleep_until(clock::now() + 1h);
        CHECK(clock::now() - start >= 25h);
    });
}

TEST_CASE("retry's jitter follows the seed") {
    const auto delays = [](std::uint64_t seed) {
        return simulate(seed, {}, []() -> task<std::chrono::nanoseconds> {
            const auto start = clock::now();
            int attempts = 0;
            const auto attempt = [&]() -> task<> {
                if (++attempts < 4) {
                    throw std::runtime_error("not yet");
                }
                co_return;
            };
            co_await retry(retry_options{}.attempts(5), attempt);
            co_return clock::now() - start;
        });
    };
    CHECK(delays(1) == delays(1));
    CHECK(delays(1) != delays(2));
}

TEST_CASE("an offloaded call runs once, or is withdrawn, and is on no worker") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        int runs = 0;
        simulate(seed, {}, [&]() -> task<> {
            const auto call = [&] {
                CHECK(this_worker::index() == -1);
                return ++runs;
            };
            const int result = co_await offload(call);
            CHECK(result == 1);
            stop_source source;
            source.request_stop();
            const auto canceled = co_await as_result(with_stop(source.get_token(), offload(call)));
            CHECK(canceled.error() == std::errc::operation_canceled);
        });
        REQUIRE(runs == 1);
    }
}

TEST_CASE("runtime::current() in a simulation says what it is") {
    simulate(42, {}, []() -> task<> {
        CHECK(runtime::current().backend() == "simulated: seed 42");
        CHECK(runtime::current().threads() == 1);
        co_return;
    });
}

TEST_CASE("a program that can never end is told so, and what waits is stopped") {
    bool stopped = false;
    const std::error_code code = code_of([&]() -> task<> {
        event never;
        try {
            co_await never.wait();
        } catch (const std::system_error& error) {
            stopped = error.code() == std::errc::operation_canceled;
            throw;
        }
    });
    CHECK(code == std::errc::resource_deadlock_would_occur);
    CHECK(stopped);
}

TEST_CASE("a program that never suspends for long is given up after most_steps") {
    CHECK(code_of(
              []() -> task<> {
                  stop_token token = co_await this_task::stop_token();
                  while (!token.stop_requested()) {
                      co_await yield();
                  }
              },
              simulation_options{}.most_steps(1000)) == std::errc::timed_out);
}

TEST_CASE("tasks that the main task leaves are stopped when it ends") {
    int ended = 0;
    simulate(1, {}, [&]() -> task<> {
        const auto left = [](int& count) -> task<> {
            try {
                co_await sleep_for(24h);
            } catch (const std::system_error&) {
                ++count;
                throw;
            }
        };
        spawn(left(ended)).detach();
        spawn(left(ended)).detach();
        co_await yield();
        co_await sleep_for(1s);
    });
    CHECK(ended == 2);
}

TEST_CASE("what nobody collects is what the simulation throws") {
    const auto main = []() -> task<> {
        const auto fails = []() -> task<> {
            co_await yield();
            throw std::runtime_error("lost otherwise");
        };
        spawn(fails()).detach();
        co_await sleep_for(1s);
    };
    CHECK_THROWS_AS(simulate(1, {}, main), std::runtime_error);
}

TEST_CASE("options that are out of range are refused by name") {
    for (const auto& options :
         {simulation_options{}.resets(1.5), simulation_options{}.short_transfers(-1),
          simulation_options{}.latency(2ms, 1ms), simulation_options{}.step(-1ns, 1ns)}) {
        CHECK(code_of([]() -> task<> { co_return; }, options) == std::errc::invalid_argument);
    }
}

TEST_CASE("a simulation inside of a task is refused") {
    CHECK_THROWS_AS(sync_wait([]() -> task<> {
                        simulate(1, {}, []() -> task<> { co_return; });
                        co_return;
                    }()),
                    std::system_error);
    CHECK(code_of([]() -> task<> {
              sync_wait(sleep_for(1ms));
              co_return;
          }) == std::errc::resource_deadlock_would_occur);
}

TEST_CASE("explore finds the order in which an update is lost, and finds it again") {
    const auto program = []() -> task<> {
        int counter = 0;
        co_await when_all(load_add_store(counter), load_add_store(counter));
        if (counter != 2) {
            throw std::logic_error("an update was lost");
        }
    };
    const exploration found = explore(seeds{10'000}, {}, program);
    REQUIRE_FALSE(found.passed());
    CHECK(found.runs() < 100);
    CHECK(found.what() == "an update was lost");
    CHECK(found.replayed());
    CHECK(!found.trace().empty());
    CHECK_THROWS_AS(simulate(found.seed(), {}, program), std::logic_error);
}

TEST_CASE("explore passes a program that is right, after all its seeds") {
    const exploration found = explore(seeds{200, 1000}, {}, []() -> task<> {
        const auto answers = co_await three_echoes();
        if (answers.size() != 3) {
            throw std::logic_error("an answer is missing");
        }
    });
    CHECK(found);
    CHECK(found.runs() == 200);
    CHECK(found.seed() == 1199);
}

TEST_CASE("explore says so if a program asks what the seed does not decide") {
    int calls = 0;
    const exploration found = explore(seeds{1}, {}, [&]() -> task<> {
        co_await sleep_for(++calls * 1ms);
        throw std::logic_error("always");
    });
    CHECK_FALSE(found.passed());
    CHECK_FALSE(found.replayed());
}

#if !defined(_WIN32) // where there is no poll()

TEST_CASE("a descriptor from outside is not there") {
    CHECK(code_of([]() -> task<> { co_await poll(0, poll_events::in); }) ==
          std::errc::bad_file_descriptor);
}

TEST_CASE("readiness has a limit in virtual time, which may be as long as there are numbers") {
    simulate(1, {}, []() -> task<> {
        tcp_listener listener = tcp_listener::bind(server_address);
        const int fd = listener.native_handle();
        const auto start = clock::now();
        const auto late = co_await as_result(poll(fd, poll_events::in, 2h));
        CHECK(late.error() == std::errc::timed_out);
        CHECK(clock::now() - start >= 2h);
        const auto connects = []() -> task<> { co_await tcp_stream::connect(server_address); };
        const auto waits = [&]() -> task<> {
            const poll_events ready = co_await poll(fd, poll_events::in, std::chrono::hours::max());
            CHECK(ready == poll_events::in);
        };
        co_await when_all(waits(), connects());
    });
}

#endif

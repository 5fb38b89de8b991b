// SPDX-License-Identifier: MIT
// TCP on Windows: transfers, errors, every way to end early, and handles that outlive a runtime.
#include <aloft/aloft.hpp>

#include <support/endings.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::endpoint;
using aloft::runtime;
using aloft::sync_wait;
using aloft::task;
using aloft::tcp_listener;
using aloft::tcp_stream;

namespace {

struct pair_of_streams {
    tcp_stream near;
    tcp_stream far;
};

task<pair_of_streams> connected() {
    tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    auto [far, near] =
        co_await aloft::when_all(listener.accept(), tcp_stream::connect(listener.local_endpoint()));
    co_return pair_of_streams{std::move(near), std::move(far)};
}

task<void> echo(tcp_stream stream) {
    std::array<std::byte, 4096> buffer{};
    for (;;) {
        const std::size_t got = co_await stream.read_some(buffer);
        if (got == 0) {
            break;
        }
        (void)co_await stream.write_all(std::span<const std::byte>(buffer).first(got));
    }
}

task<void> serve(const tcp_listener& listener, int connections) {
    std::vector<aloft::join_handle<void>> served;
    for (int i = 0; i < connections; ++i) {
        tcp_stream accepted = co_await listener.accept();
        served.push_back(aloft::spawn(echo(std::move(accepted))));
    }
    for (aloft::join_handle<void>& each : served) {
        co_await each;
    }
}

task<void> talk(endpoint remote, int rounds, int id, std::atomic<int>& echoed) {
    tcp_stream stream = co_await tcp_stream::connect(remote);
    for (int i = 0; i < rounds; ++i) {
        const std::string sent =
            std::to_string(id) + ":" + std::to_string(i) + std::string(50, 'x');
        (void)co_await stream.write_all(sent);
        std::string got(sent.size(), ' ');
        (void)co_await stream.read_exact(std::span<char>(got));
        echoed.fetch_add(got == sent ? 1 : 0);
    }
    stream.shutdown(aloft::shutdown_how::write);
    std::array<char, 1> end{};
    const std::size_t rest = co_await stream.read_some(std::span<char>(end));
    echoed.fetch_add(rest == 0 ? 0 : -rounds); // no assertion on several threads at once
}

task<void> many_talk(int connections, int rounds, std::atomic<int>& echoed) {
    const tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    auto server = aloft::spawn(serve(listener, connections));
    std::vector<task<void>> clients;
    for (int i = 0; i < connections; ++i) {
        clients.push_back(talk(listener.local_endpoint(), rounds, i, echoed));
    }
    co_await aloft::when_all(std::move(clients));
    co_await server;
}

} // namespace

TEST_CASE("every line comes back to the connection that sent it") {
    const std::size_t threads = GENERATE(1, 4);
    runtime rt(workers(threads));
    std::atomic<int> echoed{0};
    sync_wait(rt, many_talk(20, 20, echoed));
    CHECK(echoed == 400);
}

TEST_CASE("a megabyte arrives whole and in order, whatever the pieces") {
    runtime rt(workers(2));
    std::vector<std::byte> sent(1 << 20);
    for (std::size_t i = 0; i < sent.size(); ++i) {
        sent[i] = static_cast<std::byte>(i * 31 % 251);
    }
    std::vector<std::byte> got(sent.size());
    pair_of_streams ends = sync_wait(rt, connected());
    sync_wait(rt, aloft::when_all(ends.near.write_all(sent), ends.far.read_exact(got)));
    CHECK(got == sent);
    CHECK(ends.near.remote_endpoint() == ends.far.local_endpoint());
    CHECK(ends.far.remote_endpoint() == ends.near.local_endpoint());
}

TEST_CASE("connecting to a port where nobody listens is refused and names it") {
    runtime rt(workers(1));
    const ending refused = ending_of(rt, [] { return tcp_stream::connect(endpoint::loopback(1)); });
    CHECK(refused.code == std::errc::connection_refused);
    CHECK(refused.says("connect to 127.0.0.1:1"));
}

TEST_CASE("two listeners cannot have one address") {
    const tcp_listener first = tcp_listener::bind(endpoint::loopback(0));
    try {
        const tcp_listener second = tcp_listener::bind(first.local_endpoint());
        FAIL("bound twice");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::address_in_use);
    }
}

TEST_CASE(
    "a read that waits is cancelled by a stop, by the runtime's end, and by its destruction") {
    std::optional<runtime> rt(std::in_place, workers(2));
    pair_of_streams ends = sync_wait(*rt, connected());
    std::array<std::byte, 8> buffer{};
    const auto read = [&] { return ends.near.read_some(buffer); };

    SECTION("a stop") {
        const auto limited = [&] { return aloft::with_timeout(20ms, ends.near.read_some(buffer)); };
        const ending late = ending_of(*rt, limited);
        CHECK(late.code == std::errc::timed_out);
        // Nothing is left behind that would take what comes next.
        (void)sync_wait(*rt, ends.far.write_all(std::string_view("later")));
        CHECK(sync_wait(*rt, ends.near.read_exact(std::span(buffer).first(5))) == 5);
    }
    SECTION("the frame's destruction, on its worker") {
        CHECK(destroyed_on_its_worker(*rt, read));
        CHECK(destroyed_on_its_worker(*rt, read, 5ms));
    }
    SECTION("the frame's destruction, on another thread") {
        CHECK(destroyed_on_another_thread(*rt, read));
    }
    SECTION("the runtime's end") {
        rt.reset(); // its port serves the next one, which may use its handles
        CHECK(ended_by_destruction(read).canceled());
        CHECK(ended_by_refusal(read).canceled());
    }
}

TEST_CASE("an accept that waits ends when the listener is closed, at whatever moment") {
    runtime rt(workers(2));
    for (int i = 0; i < 50; ++i) {
        tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
        std::atomic<int> begun{0};
        ending result;
        auto handle = aloft::spawn(
            rt, run_and_record([&listener] { return listener.accept(); }, begun, result));
        if (i % 2 == 0) {
            wait_until([&] { return begun.load() == 1; });
        }
        listener.close();
        sync_wait(rt, std::move(handle));
        CHECK(result.canceled());
    }
}

TEST_CASE("an operation ends as cancelled however soon the stop comes") {
    runtime rt(workers(2));
    pair_of_streams ends = sync_wait(rt, connected());
    std::array<std::byte, 8> buffer{};
    int canceled = 0;
    for (int i = 0; i < 200; ++i) {
        aloft::stop_source source;
        ending result;
        std::atomic<int> begun{0};
        auto handle = aloft::spawn(
            rt,
            run_and_record(
                [&] { return aloft::with_stop(source.get_token(), ends.near.read_some(buffer)); },
                begun, result));
        wait_until([&] { return begun.load() == 1; });
        source.request_stop();
        sync_wait(rt, std::move(handle));
        canceled += result.canceled() ? 1 : 0;
    }
    CHECK(canceled == 200);
}

TEST_CASE("the other workers take the answers of one that computes") {
    runtime rt(workers(2));
    pair_of_streams ends = sync_wait(rt, connected());
    std::atomic<bool> hog_runs{false};
    std::atomic<bool> arrived{false};
    const auto hog = [&]() -> task<void> {
        auto read = aloft::spawn([&]() -> task<void> {
            std::array<std::byte, 8> buffer{};
            (void)co_await ends.near.read_some(buffer);
            arrived = true;
        });
        co_await aloft::yield();
        hog_runs = true;
        while (!arrived) { // without awaiting
            std::this_thread::yield();
        }
        co_await read;
    };
    auto busy = aloft::spawn(rt, hog());
    wait_until([&] { return hog_runs.load(); });
    (void)sync_wait(rt, ends.far.write_all(std::string_view("x")));
    sync_wait(rt, std::move(busy));
    CHECK(arrived);
}

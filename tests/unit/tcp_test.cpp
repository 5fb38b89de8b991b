// SPDX-License-Identifier: MIT
// TCP: transfers, every reachable error, cancellation, and early destruction.
#include <aloft/tcp.hpp>

#include "helpers/scale.hpp"

#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/sockets.hpp>

#include <aloft/as_result.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::endpoint;
using aloft::runtime;
using aloft::shutdown_how;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::tcp_listener;
using aloft::tcp_stream;
using testing::fewer_calls;

namespace {

void set_buffers(const tcp_stream& stream, int bytes) {
    set_buffer_sizes(stream.native_handle(), bytes);
}

/// The byte at a position of an endless stream that repeats nowhere soon.
[[nodiscard]] std::byte pattern(std::uint64_t position) {
    return static_cast<std::byte>((position * 0x9E3779B97F4A7C15u) >> 56);
}

task<void> send_pattern(tcp_stream& stream, std::uint64_t bytes, std::size_t block) {
    std::vector<std::byte> buffer(block);
    for (std::uint64_t done = 0; done < bytes;) {
        const std::size_t part =
            static_cast<std::size_t>(std::min<std::uint64_t>(block, bytes - done));
        for (std::size_t i = 0; i < part; ++i) {
            buffer[i] = pattern(done + i);
        }
        const std::span<const std::byte> filled = std::span(buffer).first(part);
        done += co_await stream.write_all(filled);
    }
    stream.shutdown(shutdown_how::write);
}

/// Gives how many bytes came until the end, or until the first wrong one.
task<std::uint64_t> receive_pattern(tcp_stream& stream, std::size_t block) {
    std::vector<std::byte> buffer(block);
    std::uint64_t done = 0;
    for (;;) {
        const std::size_t got = co_await stream.read_some(std::span(buffer));
        if (got == 0) {
            co_return done;
        }
        for (std::size_t i = 0; i < got; ++i, ++done) {
            if (buffer[i] != pattern(done)) {
                co_return done;
            }
        }
    }
}

task<void> echo(tcp_stream stream, std::atomic<std::uint64_t>& echoed) {
    std::array<std::byte, 2000> buffer{};
    for (;;) {
        const std::size_t got = co_await stream.read_some(std::span(buffer));
        if (got == 0) {
            co_return;
        }
        const std::span<const std::byte> part = std::span(buffer).first(got);
        echoed += co_await stream.write_all(part);
    }
}

task<void> serve(tcp_listener& listener, int connections, std::atomic<std::uint64_t>& echoed) {
    std::vector<aloft::join_handle<void>> conversations;
    for (int i = 0; i < connections; ++i) {
        tcp_stream stream = co_await listener.accept();
        set_buffers(stream, 4096);
        conversations.push_back(spawn(echo(std::move(stream), echoed)));
    }
    co_await aloft::when_all(std::move(conversations));
}

task<void> converse(endpoint server, std::uint64_t bytes, std::size_t block, int& correct) {
    tcp_stream stream = co_await tcp_stream::connect(server);
    set_buffers(stream, 4096);
    auto sender = spawn(send_pattern(stream, bytes, block));
    const std::uint64_t got = co_await receive_pattern(stream, 1500);
    co_await sender;
    correct += got == bytes ? 1 : 0;
}

[[nodiscard]] bool has_v6_loopback() {
    try {
        (void)tcp_listener::bind(endpoint{"::1", 0});
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

task<std::string> greet(tcp_listener& listener) {
    tcp_stream stream = co_await listener.accept();
    std::string text(5, '\0');
    (void)co_await stream.read_exact(text);
    (void)co_await stream.write_all("world");
    co_return text;
}

task<std::string> say_hello(endpoint remote) {
    tcp_stream stream = co_await tcp_stream::connect(remote);
    (void)co_await stream.write_all("hello");
    std::string text(5, '\0');
    (void)co_await stream.read_exact(text);
    co_return text;
}

task<void> accept_until_closed(tcp_listener& listener, std::atomic<int>& accepted,
                               std::atomic<int>& canceled) {
    for (;;) {
        auto stream = co_await aloft::as_result(listener.accept());
        if (!stream) {
            canceled += stream.error() == std::errc::operation_canceled ? 1 : 0;
            co_return;
        }
        ++accepted;
    }
}

} // namespace

TEST_CASE("two ends of a connection talk and know each other's addresses") {
    const no_leaked_descriptors descriptors;
    const std::string address = GENERATE("127.0.0.1", "::1");
    if (address == "::1" && !has_v6_loopback()) {
        SKIP("no IPv6 loopback here");
    }
    const std::size_t threads = GENERATE(1u, 2u);
    runtime rt(workers(threads));
    tcp_listener listener = tcp_listener::bind(endpoint{address, 0});
    CHECK(listener.local_endpoint().address() == address);
    CHECK(listener.local_endpoint().port() != 0);
    const auto [asked, answered] =
        sync_wait(rt, aloft::when_all(greet(listener), say_hello(listener.local_endpoint())));
    CHECK(asked == "hello");
    CHECK(answered == "world");

    const stream_pair pair = tcp_pair();
    CHECK(pair.near.local_endpoint() == pair.far.remote_endpoint());
    CHECK(pair.near.remote_endpoint() == pair.far.local_endpoint());
}

TEST_CASE("a connection is made by host name") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    const std::uint16_t port = listener.local_endpoint().port();
    const std::string host = GENERATE("localhost", "127.0.0.1");
    auto accepted = spawn(rt, listener.accept());
    tcp_stream stream = sync_wait(rt, tcp_stream::connect(host, port));
    CHECK(stream.remote_endpoint() == listener.local_endpoint());
    CHECK(sync_wait(rt, accepted).is_open());
}

TEST_CASE("hundreds of connections echo blocks of random sizes through tiny buffers") {
    const no_leaked_descriptors descriptors;
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    runtime rt(workers(2));
    tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    constexpr int connections = 300 / fewer_calls;
    std::atomic<std::uint64_t> echoed{0};
    std::vector<int> correct(connections);
    std::uint64_t total = 0;
    auto server = spawn(rt, serve(listener, connections, echoed));
    std::vector<aloft::join_handle<void>> clients;
    for (int& each : correct) {
        const std::uint64_t bytes = random() % 8000;
        total += bytes;
        clients.push_back(
            spawn(rt, converse(listener.local_endpoint(), bytes, random() % 3000 + 1, each)));
    }
    sync_wait(rt, aloft::when_all(std::move(clients)));
    sync_wait(rt, server);
    CHECK(echoed == total);
    CHECK(std::count(correct.begin(), correct.end(), 1) == connections);
}

TEST_CASE("megabytes arrive unchanged through small buffers") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    stream_pair pair = tcp_pair();
    set_buffers(pair.near, 32768);
    set_buffers(pair.far, 32768);
    constexpr std::uint64_t bytes = 50'000'000 / fewer_calls;
    auto sender = spawn(rt, send_pattern(pair.near, bytes, 40'000));
    CHECK(sync_wait(rt, receive_pattern(pair.far, 10'000)) == bytes);
    sync_wait(rt, sender);
}

TEST_CASE("one connection carries both directions at once") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    stream_pair pair = tcp_pair();
    constexpr std::uint64_t bytes = 3'000'000 / fewer_calls;
    auto near_sends = spawn(rt, send_pattern(pair.near, bytes, 10'000));
    auto far_sends = spawn(rt, send_pattern(pair.far, bytes, 7'000));
    auto near_receives = spawn(rt, receive_pattern(pair.near, 5'000));
    auto far_receives = spawn(rt, receive_pattern(pair.far, 3'000));
    CHECK(sync_wait(rt, near_receives) == bytes);
    CHECK(sync_wait(rt, far_receives) == bytes);
    sync_wait(rt, near_sends);
    sync_wait(rt, far_sends);
}

TEST_CASE("a half-closed connection still carries the other direction") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    stream_pair pair = tcp_pair();
    pair.near.shutdown(shutdown_how::write);
    std::array<char, 8> buffer{};
    CHECK(sync_wait(rt, pair.far.read_some(std::span(buffer))) == 0);
    CHECK(sync_wait(rt, pair.far.write_all("answer")) == 6);
    CHECK(sync_wait(rt, pair.near.read_exact(std::span(buffer).first(6))) == 6);
    CHECK(std::string_view(buffer.data(), 6) == "answer");
    CHECK(ending_of(rt, [&] { return pair.near.write_some("x"); }).code == std::errc::broken_pipe);
}

#if !defined(_WIN32) // where it ends when the peer does, see tcp_stream
TEST_CASE("shutting a connection down ends a read that waits") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    stream_pair pair = tcp_pair();
    std::array<char, 8> buffer{};
    auto reader = spawn(rt, pair.near.read_some(std::span(buffer)));
    sync_wait(rt, aloft::sleep_for(1ms));
    pair.near.shutdown();
    CHECK(sync_wait(rt, reader) == 0);
}
#endif

TEST_CASE("empty buffers transfer nothing and succeed") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    stream_pair pair = tcp_pair();
    CHECK(sync_wait(rt, pair.near.write_all("")) == 0);
    CHECK(sync_wait(rt, pair.near.write_some("")) == 0);
    CHECK(sync_wait(rt, pair.far.read_exact(std::span<char>())) == 0);
    CHECK(sync_wait(rt, pair.near.write_some("x")) == 1);
    CHECK(sync_wait(rt, pair.far.read_some(std::span<char>())) == 0);
    char got = 0;
    CHECK(sync_wait(rt, pair.far.read_some(std::span<char>(&got, 1))) == 1);
    CHECK(got == 'x');
}

TEST_CASE("the options of a socket can be set") {
    const no_leaked_descriptors descriptors;
    stream_pair pair = tcp_pair();
    const auto no_delay = [&] { return has_no_delay(pair.near.native_handle()); };
    pair.near.set_no_delay();
    CHECK(no_delay());
    pair.near.set_no_delay(false);
    CHECK_FALSE(no_delay());
    pair.near.close();
    CHECK_FALSE(pair.near.is_open());
    CHECK_THROWS_AS(pair.near.set_no_delay(), std::system_error);
    CHECK_THROWS_AS(pair.near.local_endpoint(), std::system_error);
    CHECK_THROWS_AS(pair.near.remote_endpoint(), std::system_error);
}

// ---- errors ----

TEST_CASE("connecting where nobody listens is refused and says where") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const silent_port silent;
    const endpoint nobody = silent.endpoint();
    const ending result = ending_of(rt, [&] { return tcp_stream::connect(nobody); });
    CHECK(result.code == std::errc::connection_refused);
    CHECK(result.says("connect"));
    CHECK(result.says(nobody.to_string()));
    const ending by_name =
        ending_of(rt, [&] { return tcp_stream::connect("localhost", nobody.port()); });
    CHECK(by_name.code == std::errc::connection_refused);
    CHECK(by_name.says("connect"));
    CHECK(by_name.says(std::to_string(nobody.port())));
}

TEST_CASE("binding what is taken, foreign or forbidden names the address") {
    const no_leaked_descriptors descriptors;
    const tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    const auto refusal = [](const endpoint& local) {
        try {
            (void)tcp_listener::bind(local);
        } catch (const std::system_error& error) {
            CHECK(std::string(error.what()).find(local.to_string()) != std::string::npos);
            return error.code();
        }
        return std::error_code();
    };
    CHECK(refusal(listener.local_endpoint()) == std::errc::address_in_use);
    CHECK(refusal(endpoint{"192.0.2.1", 0}) == std::errc::address_not_available);
}

TEST_CASE("a peer that resets the connection is an error for readers and writers") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    std::array<char, 8> buffer{};
#if !defined(_WIN32) // Wine 8 makes an orderly end of it
    SECTION("before the read begins") {
        stream_pair pair = tcp_pair();
        close_with_reset(pair.far);
        const ending result = ending_of(rt, [&] { return pair.near.read_some(std::span(buffer)); });
        CHECK(result.code == std::errc::connection_reset);
        CHECK(result.says("receive"));
        CHECK(result.says(std::to_string(pair.near.native_handle())));
    }
#endif
    SECTION("while the read waits") {
        stream_pair pair = tcp_pair();
        std::atomic<int> begun{0};
        ending result;
        auto reader =
            spawn(rt, run_and_record([&] { return pair.near.read_exact(std::span(buffer)); }, begun,
                                     result));
        sync_wait(rt, aloft::sleep_for(1ms));
        close_with_reset(pair.far);
        sync_wait(rt, reader);
        CHECK(result.code == std::errc::connection_reset);
    }
    SECTION("while a write waits") {
        stream_pair pair = tcp_pair();
        const std::string text(64 << 20, 't'); // more than any buffers hold
        std::atomic<int> begun{0};
        ending result;
        auto writer =
            spawn(rt, run_and_record([&] { return pair.near.write_all(text); }, begun, result));
        sync_wait(rt, aloft::sleep_for(1ms));
        close_with_reset(pair.far);
        sync_wait(rt, writer);
        CHECK(
            (result.code == std::errc::connection_reset || result.code == std::errc::broken_pipe));
        CHECK(result.says("send"));
    }
}

TEST_CASE("writing to a connection that the peer has closed is an error and no signal") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    stream_pair pair = unix_pair();
    pair.far.close();
    ending result;
    do { // over TCP the first is taken, and answered by a reset
        result = ending_of(rt, [&] { return pair.near.write_some("x"); });
    } while (result.succeeded);
    CHECK((result.code == std::errc::broken_pipe || result.code == std::errc::connection_reset));
    CHECK(result.says("send"));
    CHECK_FALSE(ending_of(rt, [&] { return pair.near.write_all("x"); }).succeeded);
}

TEST_CASE("an early end is 0 for read_some and an error for read_exact") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    stream_pair pair = tcp_pair();
    CHECK(sync_wait(rt, pair.far.write_all("abc")) == 3);
    pair.far.close();
    std::array<char, 8> buffer{};
    const ending result = ending_of(rt, [&] { return pair.near.read_exact(std::span(buffer)); });
    CHECK(result.code == std::errc::message_size);
    CHECK(result.says("read_exact"));
    CHECK(result.says("3 of 8"));
    CHECK(std::string_view(buffer.data(), 3) == "abc");
    CHECK(sync_wait(rt, pair.near.read_some(std::span(buffer))) == 0);
}

TEST_CASE("operations on a stream that is not open are errors that name the operation") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    tcp_stream closed;
    char byte = 0;
    const std::span<char> buffer(&byte, 1);
    CHECK(ending_of(rt, [&] { return closed.read_some(buffer); }).code ==
          std::errc::bad_file_descriptor);
    CHECK(ending_of(rt, [&] { return closed.read_exact(buffer); }).code ==
          std::errc::bad_file_descriptor);
    CHECK(ending_of(rt, [&] { return closed.write_some("x"); }).says("send"));
    CHECK(ending_of(rt, [&] { return closed.write_all("x"); }).code ==
          std::errc::bad_file_descriptor);
}

TEST_CASE("operations on a descriptor that is no socket are errors") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    tcp_stream pipe_end = own_socket(no_socket());
    char byte = 0;
    CHECK(ending_of(rt, [&] { return pipe_end.read_some(std::span(&byte, 1)); }).code ==
          std::errc::not_a_socket);
    CHECK(ending_of(rt, [&] { return pipe_end.write_some("x"); }).code == std::errc::not_a_socket);
}

// ---- closing a listener ----

TEST_CASE("closing a listener cancels every accept that waits") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    runtime rt(workers(threads));
    tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    std::atomic<int> begun{0};
    std::vector<ending> results(8);
    std::vector<aloft::join_handle<void>> acceptors;
    for (ending& each : results) {
        acceptors.push_back(
            spawn(rt, run_and_record([&] { return listener.accept(); }, begun, each)));
    }
    wait_until([&] { return begun.load() == 8; });
    sync_wait(rt, aloft::sleep_for(1ms));
    CHECK_FALSE(listener.closed());
    listener.close();
    listener.close();
    CHECK(listener.closed());
    sync_wait(rt, aloft::when_all(std::move(acceptors)));
    for (const ending& each : results) {
        CHECK(each.canceled());
        CHECK(each.says("accept"));
    }
    CHECK(ending_of(rt, [&] { return listener.accept(); }).canceled());
}

TEST_CASE("a listener may be closed at any moment around its accepts") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    for (int round = 0; round < 200 / fewer_calls; ++round) {
        tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
        std::atomic<int> accepted{0};
        std::atomic<int> canceled{0};
        auto first = spawn(rt, accept_until_closed(listener, accepted, canceled));
        auto second = spawn(rt, accept_until_closed(listener, accepted, canceled));
        for (int i = 0; i < round % 7; ++i) {
            std::this_thread::yield();
        }
        listener.close();
        sync_wait(rt, first);
        sync_wait(rt, second);
        REQUIRE(canceled == 2);
        REQUIRE(accepted == 0);
    }
}

TEST_CASE("several acceptors share the connections without losing one") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    std::atomic<int> accepted{0};
    std::atomic<int> canceled{0};
    std::vector<aloft::join_handle<void>> acceptors;
    for (int i = 0; i < 4; ++i) {
        acceptors.push_back(spawn(rt, accept_until_closed(listener, accepted, canceled)));
    }
    std::vector<aloft::join_handle<tcp_stream>> clients;
    for (int i = 0; i < 200; ++i) {
        clients.push_back(spawn(rt, tcp_stream::connect(listener.local_endpoint())));
    }
    const std::vector<tcp_stream> streams = sync_wait(rt, aloft::when_all(std::move(clients)));
    CHECK(streams.size() == 200);
    wait_until([&] { return accepted.load() == 200; });
    listener.close();
    sync_wait(rt, aloft::when_all(std::move(acceptors)));
    CHECK(accepted == 200);
    CHECK(canceled == 4);
}

TEST_CASE("a moved listener accepts in its new place") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    tcp_listener first = tcp_listener::bind(endpoint::loopback(0));
    const endpoint local = first.local_endpoint();
    tcp_listener second = std::move(first);
    CHECK_FALSE(second.closed());
    CHECK(second.local_endpoint() == local);
    auto client = spawn(rt, tcp_stream::connect(local));
    CHECK(sync_wait(rt, second.accept()).is_open());
    CHECK(sync_wait(rt, client).is_open());
    first = std::move(second);
    CHECK(first.local_endpoint() == local);
}

// ---- the end of the runtime ----

TEST_CASE(
    "operations in flight are cancelled by the runtime's destruction and say which they were") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    const stream_pair pair = tcp_pair();
    const stream_pair full = unix_pair(); // TCP buffers grow, so a full one may take more
    fill(full.near.native_handle());
    const tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    const deaf_listener deaf;
    std::array<char, 8> buffer{};
    SECTION("read_some") {
        const ending result =
            ended_by_destruction([&] { return pair.near.read_some(std::span(buffer)); }, threads);
        CHECK(result.canceled());
        CHECK(result.says("receive"));
    }
    SECTION("read_exact") {
        CHECK(ended_by_destruction([&] { return pair.near.read_exact(std::span(buffer)); }, threads)
                  .canceled());
    }
    SECTION("write_some") {
        const ending result =
            ended_by_destruction([&] { return full.near.write_some("more"); }, threads);
        CHECK(result.canceled());
        CHECK(result.says("send"));
    }
    SECTION("write_all") {
        CHECK(
            ended_by_destruction([&] { return full.near.write_all("more"); }, threads).canceled());
    }
    SECTION("accept") {
        const ending result = ended_by_destruction([&] { return listener.accept(); }, threads);
        CHECK(result.canceled());
        CHECK(result.says("accept"));
    }
    SECTION("connect") {
        const ending result = ended_by_destruction(
            [&] { return tcp_stream::connect(deaf.local_endpoint()); }, threads);
        CHECK(result.canceled());
        CHECK(result.says("connect"));
        CHECK(result.says(deaf.local_endpoint().to_string()));
    }
    SECTION("connect by name") {
        const ending result = ended_by_destruction(
            [&] { return tcp_stream::connect("127.0.0.1", deaf.local_endpoint().port()); },
            threads);
        CHECK(result.canceled());
        CHECK(result.says("connect"));
    }
}

TEST_CASE("operations that begin after the stop are refused") {
    const no_leaked_descriptors descriptors;
    const stream_pair pair = tcp_pair();
    const tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    std::array<char, 8> buffer{};
    CHECK(ended_by_refusal([&] { return pair.near.read_some(std::span(buffer)); }).canceled());
    CHECK(ended_by_refusal([&] { return pair.near.read_exact(std::span(buffer)); }).canceled());
    CHECK(ended_by_refusal([&] { return pair.near.write_some("x"); }).canceled());
    CHECK(ended_by_refusal([&] { return pair.near.write_all("x"); }).canceled());
    CHECK(ended_by_refusal([&] { return listener.accept(); }).canceled());
    const endpoint local = listener.local_endpoint();
    CHECK(ended_by_refusal([&] { return tcp_stream::connect(local); }).canceled());
    CHECK(ended_by_refusal([&] {
              return tcp_stream::connect("127.0.0.1", local.port());
          }).canceled());
    CHECK(ended_by_refusal([&] {
              return tcp_stream::connect("localhost", local.port());
          }).canceled());
}

// ---- early destruction ----

TEST_CASE("a reading frame that is destroyed leaves its buffer and the data alone") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    stream_pair pair = tcp_pair();
    std::vector<char> buffer(64, '.');
    const auto read_some = [&] { return pair.near.read_some(std::span(buffer)); };
    const auto read_exact = [&] { return pair.near.read_exact(std::span(buffer)); };
    const std::vector<char> untouched = buffer;
    for (int i = 0; i < 100 / fewer_calls; ++i) {
        REQUIRE(destroyed_on_its_worker(rt, read_some));
        REQUIRE(destroyed_on_another_thread(rt, read_some));
        REQUIRE(destroyed_on_its_worker(rt, read_exact));
        REQUIRE(destroyed_on_another_thread(rt, read_exact));
        REQUIRE(plain_send(pair.far.native_handle(), "data", 4));
        REQUIRE(buffer == untouched);
        std::array<char, 4> got{};
        REQUIRE(sync_wait(rt, pair.near.read_exact(std::span(got))) == 4);
        REQUIRE(std::string_view(got.data(), 4) == "data");
    }
    REQUIRE(destroyed_on_its_worker(rt, read_some, 2ms));
    REQUIRE(buffer == untouched);
}

TEST_CASE("a writing frame that is destroyed writes nothing more") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    stream_pair pair = unix_pair();
    fill(pair.near.native_handle());
    const std::string text = "never";
    const auto write_some = [&] { return pair.near.write_some(text); };
    const auto write_all = [&] { return pair.near.write_all(text); };
    for (int i = 0; i < 50 / fewer_calls; ++i) {
        REQUIRE(destroyed_on_its_worker(rt, write_some));
        REQUIRE(destroyed_on_another_thread(rt, write_some));
        REQUIRE(destroyed_on_its_worker(rt, write_all));
        REQUIRE(destroyed_on_another_thread(rt, write_all));
    }
    REQUIRE(destroyed_on_its_worker(rt, write_all, 2ms));
    pair.near.shutdown(shutdown_how::write);
    std::vector<char> block(65536);
    for (;;) {
        const std::size_t got = sync_wait(rt, pair.far.read_some(std::span(block)));
        if (got == 0) {
            break;
        }
        REQUIRE(std::all_of(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(got),
                            [](char c) { return c == 'f'; }));
    }
}

TEST_CASE("an accepting frame that is destroyed leaves the connections to others") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    const auto accept = [&] { return listener.accept(); };
    for (int i = 0; i < 50 / fewer_calls; ++i) {
        REQUIRE(destroyed_on_its_worker(rt, accept));
        REQUIRE(destroyed_on_another_thread(rt, accept));
        auto client = spawn(rt, tcp_stream::connect(listener.local_endpoint()));
        REQUIRE(sync_wait(rt, listener.accept()).is_open());
        REQUIRE(sync_wait(rt, client).is_open());
    }
    REQUIRE(destroyed_on_its_worker(rt, accept, 2ms));
}

TEST_CASE("a connection that an abandoned accept took is closed") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    tcp_listener listener = tcp_listener::bind(endpoint::loopback(0));
    for (int i = 0; i < 50 / fewer_calls; ++i) {
        tcp_stream client = sync_wait(rt, tcp_stream::connect(listener.local_endpoint()));
        // The connection waits already, and the frame goes before the kernel was asked.
        (void)destroyed_on_its_worker(rt, [&] { return listener.accept(); });
    }
}

TEST_CASE("a connecting frame that is destroyed closes its socket") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const deaf_listener deaf;
    const auto connect = [&] { return tcp_stream::connect(deaf.local_endpoint()); };
    const auto by_name = [&] {
        return tcp_stream::connect("127.0.0.1", deaf.local_endpoint().port());
    };
    for (int i = 0; i < 50 / fewer_calls; ++i) {
        REQUIRE(destroyed_on_its_worker(rt, connect));
        REQUIRE(destroyed_on_another_thread(rt, connect));
        REQUIRE(destroyed_on_its_worker(rt, by_name));
        REQUIRE(destroyed_on_another_thread(rt, by_name));
    }
    REQUIRE(destroyed_on_its_worker(rt, connect, 2ms));
}

// SPDX-License-Identifier: MIT
// UDP: datagrams whole and from whom they say, every reachable error, cancellation, early destruction, and
// the same in simulated worlds.
#include <aloft/udp.hpp>

#include "helpers/scale.hpp"

#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/sockets.hpp>
#if !defined(_WIN32)
#include <support/descriptor_limit.hpp>
#endif

#include <aloft/as_result.hpp>
#include <aloft/runtime.hpp>
#include <aloft/simulate.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::address_use;
using aloft::datagram;
using aloft::endpoint;
using aloft::runtime;
using aloft::simulate;
using aloft::simulation_options;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::udp_socket;
using testing::fewer_calls;

namespace {

/// Two sockets on the loopback that know of each other's address.
struct socket_pair {
    udp_socket near = udp_socket::bind(endpoint::loopback(0));
    udp_socket far = udp_socket::bind(endpoint::loopback(0));
    endpoint near_address = near.local_endpoint();
    endpoint far_address = far.local_endpoint();
};

task<void> echo(const udp_socket& socket, int count) {
    std::vector<char> buffer(65536);
    for (int i = 0; i < count; ++i) {
        const datagram got = co_await socket.recv_from(std::span(buffer));
        const std::string_view text(buffer.data(), got.size);
        (void)co_await socket.send_to(text, got.from);
    }
}

/// Sends each text and gives what comes back for it.
task<std::vector<std::string>> converse(const udp_socket& socket, endpoint server,
                                        std::vector<std::string> texts) {
    std::vector<std::string> answers;
    std::vector<char> buffer(65536);
    for (const std::string& text : texts) {
        const std::size_t sent = co_await socket.send_to(text, server);
        const datagram got = co_await socket.recv_from(std::span(buffer));
        answers.push_back(got.from == server && sent == text.size() && !got.truncated
                              ? std::string(buffer.data(), got.size)
                              : "wrong");
    }
    co_return answers;
}

/// Takes numbers until each of `count` has come, and gives how many came twice; `wrong` are those
/// that nobody sent.
task<int> collect_numbers(const udp_socket& socket, int count, std::vector<std::atomic<int>>& seen,
                          std::atomic<int>& missing) {
    std::array<char, 16> buffer{};
    int twice = 0;
    while (missing.load() > 0) {
        const auto got = co_await aloft::as_result(
            aloft::with_timeout(20ms, socket.recv_from(std::span(buffer))));
        if (!got) {
            continue;
        }
        const int number = std::stoi(std::string(buffer.data(), got->size));
        if (number < 0 || number >= count) {
            co_return -1;
        }
        if (seen[static_cast<std::size_t>(number)].fetch_add(1) == 0) {
            --missing;
        } else {
            ++twice;
        }
    }
    co_return twice;
}

/// Sends its part of the numbers, and again while they have not all come.
task<void> send_numbers(const udp_socket& socket, endpoint to, int from, int count,
                        const std::vector<std::atomic<int>>& seen,
                        const std::atomic<int>& missing) {
    while (missing.load() > 0) {
        for (int number = from; number < from + count; ++number) {
            if (seen[static_cast<std::size_t>(number)].load() == 0) {
                const std::string text = std::to_string(number);
                (void)co_await socket.send_to(text, to);
            }
        }
        co_await aloft::sleep_for(1ms);
    }
}

[[nodiscard]] std::string receive_text(runtime& rt, const udp_socket& socket) {
    std::array<char, 64> buffer{};
    const std::size_t got = sync_wait(rt, socket.recv(std::span(buffer)));
    return {buffer.data(), got};
}

[[nodiscard]] bool has_v6_loopback() {
    try {
        (void)udp_socket::bind(endpoint{"::1", 0});
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

task<std::error_code> stopped_receive(const udp_socket& socket, std::span<char> buffer,
                                      aloft::stop_token token) {
    const auto got =
        co_await aloft::as_result(aloft::with_stop(std::move(token), socket.recv_from(buffer)));
    co_return got ? std::error_code() : got.error();
}

template <class Main>
[[nodiscard]] std::error_code code_in_world(Main main, const simulation_options& options = {}) {
    try {
        simulate(1, options, std::move(main));
    } catch (const std::system_error& error) {
        return error.code();
    }
    return {};
}

} // namespace

// ---- transfers ----

TEST_CASE("datagrams arrive whole, from whom they say, whatever their length") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    const socket_pair pair;
    const std::vector<std::string> texts{"one", "", std::string(1400, 'm'), std::string(65507, 'l'),
                                         "last"};
    auto server = spawn(rt, echo(pair.far, 5));
    CHECK(sync_wait(rt, converse(pair.near, pair.far_address, texts)) == texts);
    sync_wait(rt, server);
}

TEST_CASE("datagrams travel over IPv6") {
    if (!has_v6_loopback()) {
        SKIP("no IPv6 here");
    }
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const udp_socket near = udp_socket::bind(endpoint{"::1", 0});
    const udp_socket far = udp_socket::bind(endpoint{"::1", 0});
    auto server = spawn(rt, echo(far, 1));
    CHECK(sync_wait(rt, converse(near, far.local_endpoint(), {"six"})) ==
          std::vector<std::string>{"six"});
    sync_wait(rt, server);
}

TEST_CASE("bytes, characters and text are sent and received alike") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    socket_pair pair;
    pair.near.connect(pair.far_address);
    const std::array<std::byte, 2> bytes{std::byte{1}, std::byte{2}};
    const std::vector<char> characters{'a', 'b', 'c'};
    std::array<std::byte, 8> buffer{};
    CHECK(sync_wait(rt, pair.near.send(std::span<const std::byte>(bytes))) == 2);
    CHECK(sync_wait(rt, pair.far.recv(std::span(buffer))) == 2);
    CHECK(buffer[1] == std::byte{2});
    CHECK(sync_wait(rt, pair.near.send(characters)) == 3);
    CHECK(receive_text(rt, pair.far) == "abc");
    CHECK(sync_wait(rt, pair.near.send("text")) == 4);
    CHECK(receive_text(rt, pair.far) == "text");
    CHECK(sync_wait(rt, pair.far.send_to(std::span<const std::byte>(bytes), pair.near_address)) ==
          2);
    CHECK(sync_wait(rt, pair.near.recv_from(std::span(buffer))).from == pair.far_address);
    CHECK(sync_wait(rt, pair.far.send_to(characters, pair.near_address)) == 3);
    CHECK(receive_text(rt, pair.near) == "abc");
}

TEST_CASE("a datagram that is longer than the buffer is cut, and both forms say so") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const socket_pair pair;
    std::array<char, 4> buffer{};
    const std::size_t longer = GENERATE(1u, 100u, 60'000u);
    const std::string text = "1234" + std::string(longer, 'x');
    SECTION("recv_from marks it") {
        (void)sync_wait(rt, pair.near.send_to(text, pair.far_address));
        const datagram got = sync_wait(rt, pair.far.recv_from(std::span(buffer)));
        CHECK(got.size == 4);
        CHECK(got.truncated);
        CHECK(got.from == pair.near_address);
        CHECK(std::string_view(buffer.data(), 4) == "1234");
    }
    SECTION("recv fails") {
        (void)sync_wait(rt, pair.near.send_to(text, pair.far_address));
        const ending result = ending_of(rt, [&] { return pair.far.recv(std::span(buffer)); });
        CHECK(result.code == std::errc::message_size);
        CHECK(result.says("receive a datagram"));
    }
    SECTION("while it is waited for") {
        auto receiver = spawn(rt, pair.far.recv_from(std::span(buffer)));
        sync_wait(rt, aloft::sleep_for(1ms));
        (void)sync_wait(rt, pair.near.send_to(text, pair.far_address));
        const datagram got = sync_wait(rt, receiver);
        CHECK((got.size == 4 && got.truncated));
    }
    (void)sync_wait(rt, pair.near.send_to("next", pair.far_address));
    const datagram next = sync_wait(rt, pair.far.recv_from(std::span(buffer)));
    CHECK((next.size == 4 && !next.truncated));
    CHECK(std::string_view(buffer.data(), 4) == "next");
}

TEST_CASE("a receive without room takes one datagram and says that it was cut") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const socket_pair pair;
    (void)sync_wait(rt, pair.near.send_to("gone", pair.far_address));
    (void)sync_wait(rt, pair.near.send_to("kept", pair.far_address));
    const datagram got = sync_wait(rt, pair.far.recv_from(std::span<char>()));
    CHECK((got.size == 0 && got.truncated));
    CHECK(receive_text(rt, pair.far) == "kept");
}

TEST_CASE("many receives and many sends on one socket lose no datagram between them") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    runtime rt(workers(threads));
    const socket_pair pair;
    constexpr int count = 2000 / fewer_calls / 4 * 4;
    std::vector<std::atomic<int>> seen(count);
    std::atomic<int> missing{count};
    std::vector<task<int>> receivers;
    std::vector<task<void>> senders;
    for (int i = 0; i < 4; ++i) {
        receivers.push_back(collect_numbers(pair.far, count, seen, missing));
        senders.push_back(
            send_numbers(pair.near, pair.far_address, i * (count / 4), count / 4, seen, missing));
    }
    const auto [twice, nothing] =
        sync_wait(rt, aloft::when_all(aloft::when_all(std::move(receivers)),
                                      aloft::when_all(std::move(senders))));
    CHECK(std::all_of(twice.begin(), twice.end(), [](int each) { return each >= 0; }));
    CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& each) { return each.load() > 0; }));
}

// ---- connections ----

TEST_CASE("a connected socket hears its peer only, and can be connected to another one") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    socket_pair pair;
    const udp_socket stranger = udp_socket::bind(endpoint::loopback(0));
    pair.near.connect(pair.far_address);
    CHECK(pair.near.remote_endpoint() == pair.far_address);
    (void)sync_wait(rt, stranger.send_to("noise", pair.near_address));
    (void)sync_wait(rt, pair.far.send_to("signal", pair.near_address));
    CHECK(receive_text(rt, pair.near) == "signal");
    pair.near.connect(stranger.local_endpoint());
    (void)sync_wait(rt, pair.far.send_to("noise", pair.near_address));
    (void)sync_wait(rt, stranger.send_to("other", pair.near_address));
    CHECK(receive_text(rt, pair.near) == "other");
}

TEST_CASE("who is connected learns that nobody is there, and who is not connected does not") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    socket_pair pair;
    pair.far.close();
#if !defined(_WIN32) // Wine 8 takes the error from the socket before anybody asks for it
    std::array<char, 8> buffer{};
    SECTION("connected, before the receive") {
        pair.near.connect(pair.far_address);
        (void)sync_wait(rt, pair.near.send("anybody?"));
        const ending result = ending_of(rt, [&] { return pair.near.recv(std::span(buffer)); });
        CHECK(result.code == std::errc::connection_refused);
        CHECK(result.says("receive a datagram"));
        CHECK(result.says(std::to_string(pair.near.native_handle())));
    }
    SECTION("connected, while the receive waits") {
        pair.near.connect(pair.far_address);
        std::atomic<int> begun{0};
        ending result;
        auto receiver = spawn(
            rt, run_and_record([&] { return pair.near.recv(std::span(buffer)); }, begun, result));
        sync_wait(rt, aloft::sleep_for(1ms));
        (void)sync_wait(rt, pair.near.send("anybody?"));
        sync_wait(rt, receiver);
        CHECK(result.code == std::errc::connection_refused);
    }
#endif
    SECTION("not connected") {
        const udp_socket other = udp_socket::bind(endpoint::loopback(0));
        (void)sync_wait(rt, pair.near.send_to("anybody?", pair.far_address));
        (void)sync_wait(rt, other.send_to("me", pair.near_address));
        CHECK(receive_text(rt, pair.near) == "me");
    }
}

// ---- errors ----

TEST_CASE("an address that is taken is an error, unless all share it") {
    const no_leaked_descriptors descriptors;
    SECTION("exclusive") {
        const udp_socket first = udp_socket::bind(endpoint::loopback(0));
        try {
            (void)udp_socket::bind(first.local_endpoint());
            FAIL("bound twice");
        } catch (const std::system_error& error) {
            CHECK(error.code() == std::errc::address_in_use);
            CHECK(std::string_view(error.what()).find(first.local_endpoint().to_string()) !=
                  std::string_view::npos);
        }
    }
    SECTION("shared") {
        const udp_socket first = udp_socket::bind(endpoint::loopback(0), address_use::shared);
        CHECK(udp_socket::bind(first.local_endpoint(), address_use::shared).is_open());
    }
}

#if !defined(_WIN32) // Wine 8 binds another address instead
TEST_CASE("an address of another machine cannot be bound") {
    const no_leaked_descriptors descriptors;
    try {
        (void)udp_socket::bind(endpoint{"192.0.2.1", 0});
        FAIL("bound");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::address_not_available);
    }
}
#endif

TEST_CASE("what cannot be sent is an error that names the operation") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const socket_pair pair;
    SECTION("too long") {
        const std::string text(65508, 'x');
        const ending result =
            ending_of(rt, [&] { return pair.near.send_to(text, pair.far_address); });
        CHECK(result.code == std::errc::message_size);
        CHECK(result.says("send a datagram"));
        CHECK(result.says(std::to_string(pair.near.native_handle())));
    }
    SECTION("to nobody") {
        const ending result = ending_of(rt, [&] { return pair.near.send("x"); });
        CHECK((result.code == std::errc::destination_address_required ||
               result.code == std::errc::not_connected ||
               result.code == std::errc::invalid_argument)); // by system; the last one is Wine's
    }
    SECTION("to an address of the other family") {
        const endpoint other{"::1", 9};
        const ending result = ending_of(rt, [&] { return pair.near.send_to("x", other); });
        CHECK_FALSE(result.succeeded);
        CHECK(result.says("send a datagram"));
    }
    SECTION("to a broadcast address, without being allowed to") {
        CHECK(ending_of(rt, [&] {
                  return pair.near.send_to("x", endpoint{"255.255.255.255", 9});
              }).code == std::errc::permission_denied);
    }
    (void)sync_wait(rt, pair.near.send_to("good", pair.far_address));
    CHECK(receive_text(rt, pair.far) == "good");
}

TEST_CASE("operations on a datagram socket that is not open are errors that name the operation") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    udp_socket closed;
    CHECK_FALSE(closed.is_open());
    std::array<char, 8> buffer{};
    const ending receive = ending_of(rt, [&] { return closed.recv(std::span(buffer)); });
    CHECK(receive.code == std::errc::bad_file_descriptor);
    CHECK(receive.says("receive a datagram"));
    CHECK(ending_of(rt, [&] { return closed.recv_from(std::span(buffer)); }).code ==
          std::errc::bad_file_descriptor);
    CHECK(ending_of(rt, [&] { return closed.send("x"); }).says("send a datagram"));
    CHECK(ending_of(rt, [&] { return closed.send_to("x", endpoint::loopback(9)); }).code ==
          std::errc::bad_file_descriptor);
    CHECK_THROWS_AS(closed.local_endpoint(), std::system_error);
    CHECK_THROWS_AS(closed.connect(endpoint::loopback(9)), std::system_error);
    CHECK_THROWS_AS(closed.set_broadcast(), std::system_error);
}

#if !defined(_WIN32) // handles have no such limit
TEST_CASE("a socket that cannot be made for want of descriptors is an error that says so") {
    const no_leaked_descriptors descriptors;
    skip_where_checks_need_descriptors();
    const descriptor_limit limit;
    try {
        (void)udp_socket::bind(endpoint::loopback(0));
        FAIL("made");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::too_many_files_open);
        CHECK(std::string_view(error.what()).find("bind 127.0.0.1:0: socket") !=
              std::string_view::npos);
    }
}
#endif

TEST_CASE("a group is joined and left, and what is no group is refused by name") {
    const no_leaked_descriptors descriptors;
    udp_socket socket = udp_socket::bind(endpoint::any(0), address_use::shared);
    try {
        socket.join_group(endpoint{"127.0.0.1", 0});
        FAIL("joined");
    } catch (const std::system_error& error) {
        CHECK(std::string_view(error.what()).find("join_group 127.0.0.1") !=
              std::string_view::npos);
    }
    const endpoint group{"239.255.77.77", 0};
    try {
        socket.join_group(group);
    } catch (const std::system_error& error) {
        SKIP("no multicast here: " << error.what());
    }
    socket.leave_group(group);
    CHECK_THROWS_AS(socket.leave_group(group), std::system_error);
}

// ---- stops ----

TEST_CASE("a receive ends when it is stopped or late, and takes no datagram with it") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    runtime rt(workers(threads));
    const socket_pair pair;
    std::array<char, 8> buffer{};
    SECTION("stopped before") {
        aloft::stop_source source;
        source.request_stop();
        (void)sync_wait(rt, pair.near.send_to("kept", pair.far_address));
        CHECK(sync_wait(rt, stopped_receive(pair.far, buffer, source.get_token())) ==
              std::errc::operation_canceled);
        CHECK(buffer[0] == '\0');
        CHECK(receive_text(rt, pair.far) == "kept");
    }
    SECTION("stopped in flight") {
        aloft::stop_source source;
        auto receiver = spawn(rt, stopped_receive(pair.far, buffer, source.get_token()));
        sync_wait(rt, aloft::sleep_for(1ms));
        source.request_stop();
        CHECK(sync_wait(rt, receiver) == std::errc::operation_canceled);
    }
    SECTION("late") {
        CHECK(ending_of(rt, [&] {
                  return aloft::with_timeout(1ms, pair.far.recv_from(std::span(buffer)));
              }).code == std::errc::timed_out);
    }
    (void)sync_wait(rt, pair.near.send_to("next", pair.far_address));
    CHECK(receive_text(rt, pair.far) == "next");
}

TEST_CASE("a stop that competes with a datagram ends the receive once, and loses nothing") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    const socket_pair pair;
    int taken = 0;
    int stopped = 0;
    for (int round = 0; round < 400 / fewer_calls; ++round) {
        aloft::stop_source source;
        std::array<char, 8> buffer{};
        auto receiver = spawn(rt, stopped_receive(pair.far, buffer, source.get_token()));
        for (int i = 0; i < round % 7; ++i) {
            std::this_thread::yield();
        }
        (void)sync_wait(rt, pair.near.send_to("1", pair.far_address));
        source.request_stop();
        const std::error_code code = sync_wait(rt, receiver);
        if (!code) {
            REQUIRE(buffer[0] == '1');
            ++taken;
        } else {
            REQUIRE(code == std::errc::operation_canceled);
            REQUIRE(buffer[0] == '\0');
            REQUIRE(receive_text(rt, pair.far) == "1");
            ++stopped;
        }
    }
    CHECK(taken + stopped == 400 / fewer_calls);
}

TEST_CASE("a receive in flight is cancelled by the runtime's destruction") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    const socket_pair pair;
    std::array<char, 8> buffer{};
    const ending result =
        ended_by_destruction([&] { return pair.far.recv_from(std::span(buffer)); }, threads);
    CHECK(result.canceled());
    CHECK(result.says("receive a datagram"));
}

TEST_CASE("datagrams are refused after the stop") {
    const no_leaked_descriptors descriptors;
    const socket_pair pair;
    std::array<char, 8> buffer{};
    CHECK(ended_by_refusal([&] { return pair.near.recv_from(std::span(buffer)); }).canceled());
    CHECK(ended_by_refusal([&] { return pair.near.recv(std::span(buffer)); }).canceled());
    CHECK(ended_by_refusal([&] { return pair.near.send_to("x", pair.far_address); }).canceled());
    runtime rt(workers(1));
    CHECK(ending_of(rt, [&] {
              return aloft::with_timeout(1ms, pair.far.recv(std::span(buffer)));
          }).code == std::errc::timed_out); // nothing was sent
}

TEST_CASE("a receiving frame that is destroyed leaves its buffer and the datagrams alone") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const socket_pair pair;
    std::vector<char> buffer(64, '.');
    const std::vector<char> untouched = buffer;
    const auto receive = [&] { return pair.far.recv_from(std::span(buffer)); };
    for (int i = 0; i < 100 / fewer_calls; ++i) {
        REQUIRE(destroyed_on_its_worker(rt, receive));
        REQUIRE(destroyed_on_another_thread(rt, receive));
        (void)sync_wait(rt, pair.near.send_to("data", pair.far_address));
        REQUIRE(buffer == untouched);
        REQUIRE(receive_text(rt, pair.far) == "data");
    }
    REQUIRE(destroyed_on_its_worker(rt, receive, 2ms));
    REQUIRE(buffer == untouched);
}

#if !defined(_WIN32) // there the system takes any number
TEST_CASE("a send that waits for room is stopped, cancelled and destroyed like any other") {
    const no_leaked_descriptors descriptors;
    // Over a UNIX socket the sender waits for the receiver, which over UDP only slow devices show.
    const std::array<int, 2> ends = plain_datagram_pair();
    udp_socket near = udp_socket(aloft::detail::descriptor(ends[0]));
    const udp_socket far = udp_socket(aloft::detail::descriptor(ends[1]));
    int held = 0;
    while (plain_send_at_once(near.native_handle(), "f")) {
        ++held;
    }
    const auto send = [&] { return near.send("more"); };
    {
        runtime rt(workers(1));
        CHECK(ending_of(rt, [&] { return aloft::with_timeout(1ms, near.send("more")); }).code ==
              std::errc::timed_out);
        CHECK(destroyed_on_its_worker(rt, send));
        CHECK(destroyed_on_its_worker(rt, send, 2ms));
        CHECK(destroyed_on_another_thread(rt, send));
    }
    CHECK(ended_by_destruction(send).canceled());
    runtime rt(workers(1));
    auto sender = spawn(rt, near.send("last"));
    for (int i = 0; i < held; ++i) {
        REQUIRE(receive_text(rt, far) == "f");
    }
    CHECK(sync_wait(rt, sender) == 4);
    CHECK(receive_text(rt, far) == "last");
}
#endif

// ---- simulated worlds ----

TEST_CASE("in a simulated world datagrams arrive whole, and answers find their way back") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        const std::vector<std::string> texts{"one", "", std::string(65507, 'l')};
        const auto answers = simulate(seed, {}, [&]() -> task<std::vector<std::string>> {
            const udp_socket server = udp_socket::bind(endpoint{"10.0.0.1", 53});
            const udp_socket client = udp_socket::bind(endpoint::any(0));
            auto echoing = spawn(echo(server, 3));
            auto got = co_await converse(client, endpoint{"10.0.0.1", 53}, texts);
            co_await echoing;
            co_return got;
        });
        REQUIRE(answers == texts);
    }
}

TEST_CASE("in a simulated world datagrams overtake each other, are lost and doubled as asked") {
    const auto arrivals = [](std::uint64_t seed, simulation_options options) {
        options.network_delay(1ms, 9ms);
        return simulate(seed, options, []() -> task<std::string> {
            const udp_socket server = udp_socket::bind(endpoint{"10.0.0.1", 53});
            const udp_socket client = udp_socket::bind(endpoint::any(0));
            for (const char* each : {"a", "b", "c"}) {
                (void)co_await client.send_to(each, endpoint{"10.0.0.1", 53});
            }
            std::string order;
            std::array<char, 1> buffer{};
            for (;;) {
                const auto got = co_await aloft::as_result(
                    aloft::with_timeout(1s, server.recv_from(std::span(buffer))));
                if (!got) {
                    co_return order;
                }
                order += buffer[0];
            }
        });
    };
    std::map<std::string, int> orders;
    std::map<std::size_t, int> lost;
    std::map<std::size_t, int> doubled;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        ++orders[arrivals(seed, {})];
        ++lost[arrivals(seed, simulation_options{}.lost_datagrams(0.5)).size()];
        ++doubled[arrivals(seed, simulation_options{}.doubled_datagrams(0.5)).size()];
    }
    CHECK(orders.size() == 6); // every order of three, and nothing else
    CHECK(lost.size() == 4);   // none to three
    CHECK(lost.rbegin()->first == 3);
    CHECK(doubled.size() == 4); // three to six
    CHECK(doubled.begin()->first == 3);
    CHECK(arrivals(1, simulation_options{}.lost_datagrams(1)).empty());
    CHECK(code_in_world([]() -> task<> { co_return; }, simulation_options{}.lost_datagrams(2)) ==
          std::errc::invalid_argument);
    CHECK(code_in_world([]() -> task<> { co_return; },
                        simulation_options{}.doubled_datagrams(-1)) == std::errc::invalid_argument);
}

TEST_CASE("in a simulated world sockets refuse, cut and connect as the machine's do") {
    simulate(3, {}, []() -> task<> {
        udp_socket near = udp_socket::bind(endpoint{"10.0.0.1", 0});
        udp_socket far = udp_socket::bind(endpoint{"10.0.0.2", 0});
        const udp_socket stranger = udp_socket::bind(endpoint{"10.0.0.3", 0});
        std::array<char, 4> buffer{};
        const std::string longest(65508, 'x');
        const auto too_long =
            co_await aloft::as_result(near.send_to(longest, far.local_endpoint()));
        CHECK(too_long.error() == std::errc::message_size);
        const auto to_nobody = co_await aloft::as_result(near.send("x"));
        CHECK(to_nobody.error() == std::errc::destination_address_required);
        const auto other_family = co_await aloft::as_result(near.send_to("x", endpoint{"::1", 9}));
        CHECK(other_family.error() == std::errc::address_family_not_supported);
        CHECK_THROWS_AS(udp_socket::bind(far.local_endpoint()), std::system_error);

        (void)co_await near.send_to("12345", far.local_endpoint());
        const datagram cut = co_await far.recv_from(std::span(buffer));
        CHECK((cut.size == 4 && cut.truncated && cut.from == near.local_endpoint()));
        (void)co_await near.send_to("12345", far.local_endpoint());
        const auto failed = co_await aloft::as_result(far.recv(std::span(buffer)));
        CHECK(failed.error() == std::errc::message_size);

        near.connect(far.local_endpoint());
        CHECK(near.remote_endpoint() == far.local_endpoint());
        (void)co_await stranger.send_to("no", near.local_endpoint());
        co_await aloft::sleep_for(1s);
        (void)co_await far.send_to("yes", near.local_endpoint());
        const std::size_t heard = co_await near.recv(std::span(buffer));
        CHECK(std::string_view(buffer.data(), heard) == "yes");

        far.close();
        (void)co_await near.send("?");
        const auto refused = co_await aloft::as_result(near.recv(std::span(buffer)));
        CHECK(refused.error() == std::errc::connection_refused);
        const auto late =
            co_await aloft::as_result(aloft::with_timeout(1s, near.recv(std::span(buffer))));
        CHECK(late.error() == std::errc::timed_out); // it is told once
    });
}

TEST_CASE("in a simulated world what does not fit into a socket's buffer is lost, as long as it is "
          "full") {
    simulate(4, simulation_options{}.window_bytes(10), []() -> task<> {
        const udp_socket server = udp_socket::bind(endpoint{"10.0.0.1", 53});
        const udp_socket client = udp_socket::bind(endpoint::any(0));
        std::array<char, 8> buffer{};
        for (int round = 0; round < 3; ++round) {
            for (int i = 0; i < 9; ++i) {
                (void)co_await client.send_to("four", endpoint{"10.0.0.1", 53});
            }
            co_await aloft::sleep_for(1s);
            int kept = 0;
            for (;; ++kept) {
                const auto got = co_await aloft::as_result(
                    aloft::with_timeout(1s, server.recv_from(std::span(buffer))));
                if (!got) {
                    break;
                }
            }
            CHECK(kept == 2);
        }
    });
}

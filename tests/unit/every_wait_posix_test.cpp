// SPDX-License-Identifier: MIT
// Sockets, descriptors, pipes and signals against a stop request that comes before, meanwhile, and at
// the same time: see every_wait_test.cpp.
#include <aloft/aloft.hpp>

#include "helpers/races.hpp"
#include "helpers/waiting.hpp"

#include <support/endings.hpp>
#include <support/fifo.hpp>
#include <support/temporary_directory.hpp>

#include <catch2/catch_test_macros.hpp>

#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

using aloft::sync_wait;
using aloft::task;
using test_support::workers;

namespace {

constexpr std::size_t rounds = 4'000; // scale.hpp: many more where all are asked for

/// A connection; both ends belong to the caller.
struct connection {
    aloft::tcp_stream near;
    aloft::tcp_stream far;

    connection() {
        aloft::runtime rt(workers(1));
        auto make = [this]() -> task<> {
            auto listener = aloft::tcp_listener::bind(aloft::endpoint("127.0.0.1", 0));
            auto [one, other] = co_await aloft::when_all(
                aloft::tcp_stream::connect(listener.local_endpoint()), listener.accept());
            near = std::move(one);
            far = std::move(other);
        };
        sync_wait(rt, make());
    }
};

} // namespace

TEST_CASE("waiting for the system gives up in every way") {
    connection both;
    std::array<char, 1> buffer{};
    testing::gives_up_in_every_way([&] { return both.near.read_some(std::span<char>(buffer)); });
    auto listener = aloft::tcp_listener::bind(aloft::endpoint("127.0.0.1", 0));
    testing::gives_up_in_every_way([&] { return listener.accept(); });
    testing::gives_up_in_every_way(
        [&] { return aloft::poll(both.near.native_handle(), aloft::poll_events::in); });
    const aloft::signal_set signals{SIGUSR2};
    testing::gives_up_in_every_way([&] { return signals.wait(); });
}

TEST_CASE("a write to a full connection and a read of a quiet pipe are stopped") {
    connection both;
    const std::vector<char> much(32 << 20);
    CHECK(testing::is_stopped([&] { return both.near.write_all(std::span<const char>(much)); }));
    const test_support::temporary_directory directory;
    const auto path = test_support::make_fifo(directory, "pipe");
    aloft::runtime rt(workers(1));
    aloft::file pipe = sync_wait(rt, aloft::file::open(path, aloft::open_mode::read_write));
    std::array<char, 1> buffer{};
    CHECK(testing::is_stopped([&] { return pipe.read_some(std::span<char>(buffer)); }));
}

TEST_CASE("bytes and a stop request race, and they are read once") {
    connection both;
    aloft::runtime rt(workers(1));
    std::array<char, 4> buffer{};
    std::size_t read = 0;
    const auto read_one = [&]() -> task<> {
        read = 0;
        read = co_await both.near.read_some(std::span<char>(buffer));
    };
    testing::races(
        "read against stop", rounds, read_one,
        [&] { CHECK(::send(both.far.native_handle(), "x", 1, 0) == 1); },
        [&](bool got) {
            if (got) {
                return read == 1;
            }
            sync_wait(rt, read_one()); // it is still there
            return read == 1;
        });
}

TEST_CASE("a connection and a stop request race, and it is accepted once") {
    auto listener = aloft::tcp_listener::bind(aloft::endpoint("127.0.0.1", 0));
    aloft::runtime rt(workers(1));
    std::optional<aloft::tcp_stream> accepted;
    std::optional<aloft::tcp_stream> connects;
    const auto accept_one = [&]() -> task<> { accepted = co_await listener.accept(); };
    testing::races(
        "accept against stop", rounds / 4, accept_one,
        [&] { connects = sync_wait(rt, aloft::tcp_stream::connect(listener.local_endpoint())); },
        [&](bool got) {
            if (!got) {
                sync_wait(rt, accept_one()); // it is still there
            }
            const bool right = accepted.has_value();
            accepted.reset();
            const linger at_once{1, 0}; // or there would soon be no port that is free
            CHECK(::setsockopt(connects->native_handle(), SOL_SOCKET, SO_LINGER, &at_once,
                               sizeof at_once) == 0);
            connects.reset();
            return right;
        });
}

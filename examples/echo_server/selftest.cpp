// SPDX-License-Identifier: MIT
#include "selftest.hpp"

#if defined(_WIN32)
#include "windows_selftest.hpp"
#else
#include "posix_selftest.hpp"
#endif

#include <aloft/as_result.hpp>
#include <aloft/spawn.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace echo_server {

namespace {

constexpr std::size_t rounds = 16;

std::string make_message(std::size_t client, std::size_t round) {
    // From one byte to several buffers of the server, and different for every client and round.
    const std::size_t size = std::size_t{1} + (client * 37 + round * round * 211) % 50000;
    std::string message(size, '\0');
    for (std::size_t place = 0; place < size; ++place) {
        message[place] = static_cast<char>((place * 31 + client * 7 + round) & 0x7FU);
    }
    return message;
}

void require(bool condition, const char* complaint) {
    if (!condition) {
        throw std::runtime_error(complaint);
    }
}

aloft::task<> send_and_compare(aloft::tcp_stream& stream, std::string message) {
    co_await stream.write_all(std::string_view{message});
    std::string echoed(message.size(), '\0');
    co_await stream.read_exact(std::span<char>{echoed});
    require(echoed == message, "selftest: the echo differs from what was sent");
}

aloft::task<> polite_client(aloft::endpoint where, std::size_t number) {
    aloft::tcp_stream stream = co_await aloft::tcp_stream::connect(where);
    for (std::size_t round = 0; round < rounds; ++round) {
        co_await send_and_compare(stream, make_message(number, round));
    }
    stream.shutdown(aloft::shutdown_how::write);
    std::array<char, 1> rest{};
    const std::size_t count = co_await stream.read_some(std::span<char>{rest});
    require(count == 0, "selftest: more came back than was sent");
}

aloft::task<std::string> read_to_end(aloft::tcp_stream& stream) {
    std::string text;
    std::array<char, 4096> buffer{};
    for (;;) {
        const std::size_t count = co_await stream.read_some(std::span<char>{buffer});
        if (count == 0) {
            co_return text;
        }
        text.append(buffer.data(), count);
    }
}

// Goes on until the server does not let it any more.
aloft::task<> stubborn_client(aloft::endpoint where) {
    aloft::tcp_stream stream = co_await aloft::tcp_stream::connect(where);
    const std::string message(std::size_t{256} * 1024, 's');
    for (;;) {
        const auto sent = co_await aloft::as_result(stream.write_all(std::string_view{message}));
        if (!sent) {
            co_return;
        }
    }
}

} // namespace

aloft::task<> selftest(aloft::endpoint where, std::size_t clients) {
    std::vector<aloft::task<>> all;
    all.reserve(clients);
    for (std::size_t number = 0; number < clients; ++number) {
        all.push_back(polite_client(where, number));
    }
    co_await aloft::when_all(std::move(all));

    aloft::join_handle<void> stubborn = aloft::spawn(stubborn_client(where));
    aloft::tcp_stream idle = co_await aloft::tcp_stream::connect(where);
    aloft::tcp_stream late = co_await aloft::tcp_stream::connect(where);
    co_await send_and_compare(idle, "idle");
    co_await send_and_compare(late, "late");

    const std::string last_words(3000, 'l');
    co_await late.write_all(std::string_view{last_words});
    // Long enough, as a rule, for the stubborn one to fill all buffers; nothing depends on it.
    do {
        co_await aloft::sleep_for(std::chrono::milliseconds{100});
    } while (is_under_way(late));
    require(ask_to_stop(), "selftest: cannot ask this process to stop");

    const std::string echoed = co_await read_to_end(late);
    require(echoed == last_words, "selftest: what was received before the stop was not echoed");
    const std::string nothing = co_await read_to_end(idle);
    require(nothing.empty(), "selftest: the idle connection received something");
    co_await stubborn;
}

} // namespace echo_server

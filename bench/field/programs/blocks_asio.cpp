// SPDX-License-Identifier: MIT
// blocks_asio <rounds> [<piece>]: the same as blocks_aloft with Boost.Asio's coroutines, as far as it has that.
#include "measure.hpp"

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>

#include <chrono>
#include <cstddef>
#include <cstring>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

namespace {

using channel = asio::experimental::channel<void(boost::system::error_code, std::size_t)>;

asio::awaitable<int> ready(int value) {
    co_return value;
}

asio::awaitable<void> await_ready_task(std::size_t rounds) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        sum += static_cast<std::size_t>(co_await ready(1));
    }
    field::must_be(sum == rounds, "tasks");
}

asio::awaitable<void> use_channel(std::size_t rounds) {
    channel values(co_await asio::this_coro::executor, 4);
    std::size_t sum = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        co_await values.async_send({}, i, asio::use_awaitable);
        sum += co_await values.async_receive(asio::use_awaitable);
    }
    field::must_be(sum == rounds * (rounds - 1) / 2, "channel");
}

asio::awaitable<void> all_of_two(std::size_t rounds) {
    for (std::size_t i = 0; i < rounds; ++i) {
        const auto [a, b] = co_await (ready(1) && ready(2));
        field::must_be(a + b == 3, "when_all");
    }
}

asio::awaitable<void> any_of_two(std::size_t rounds) {
    for (std::size_t i = 0; i < rounds; ++i) {
        const auto first = co_await (ready(1) || ready(1));
        field::must_be(first.index() < 2, "when_any");
    }
}

asio::awaitable<void> limit_ready_task(std::size_t rounds) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (std::size_t i = 0; i < rounds; ++i) {
        timer.expires_after(1h);
        const auto first = co_await (ready(1) || timer.async_wait(asio::use_awaitable));
        field::must_be(first.index() == 0, "timeout");
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t rounds = field::argument(argc, argv, 1, 1'000'000);
    const struct {
        const char* name;
        asio::awaitable<void> (*run)(std::size_t);
    } each_piece[] = {{"task_ns", &await_ready_task},
                      {"channel_ns", &use_channel},
                      {"when_all_ns", &all_of_two},
                      {"when_any_ns", &any_of_two},
                      {"timeout_ns", &limit_ready_task}};
    for (const auto& [name, run] : each_piece) {
        if (argc > 2 && std::strcmp(argv[2], name) != 0) {
            continue;
        }
        asio::io_context context(1);
        asio::co_spawn(context, run(rounds), asio::detached);
        const double begin = field::seconds_now();
        context.run();
        field::report(name, (field::seconds_now() - begin) * 1e9 / static_cast<double>(rounds));
    }
}

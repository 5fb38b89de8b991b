// SPDX-License-Identifier: MIT
// channel_asio <round trips> <items>: the same as channel_aloft with Boost.Asio's experimental
// channel for several threads.
#include "measure.hpp"

#include <boost/asio.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>

#include <atomic>
#include <cstddef>
#include <thread>

namespace asio = boost::asio;

namespace {

using channel =
    asio::experimental::concurrent_channel<void(boost::system::error_code, std::size_t)>;
constexpr boost::system::error_code good{};

asio::awaitable<void> answers(channel& from, channel& to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t value = co_await from.async_receive(asio::use_awaitable);
        co_await to.async_send(good, value + 1, asio::use_awaitable);
    }
}

asio::awaitable<void> asks(channel& to, channel& from, std::size_t count,
                           std::atomic<bool>& ended) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await to.async_send(good, i, asio::use_awaitable);
        field::must_be(co_await from.async_receive(asio::use_awaitable) == i + 1, "an answer");
    }
    ended.store(true);
}

asio::awaitable<void> produces(channel& to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await to.async_send(good, i, asio::use_awaitable);
    }
}

asio::awaitable<void> consumes(channel& from, std::size_t count, std::atomic<bool>& ended) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        sum += co_await from.async_receive(asio::use_awaitable);
    }
    field::must_be(sum == count * (count - 1) / 2, "the sum");
    ended.store(true);
}

void wait_for(std::atomic<bool>& ended) {
    while (!ended.exchange(false)) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t trips = field::argument(argc, argv, 1, 100'000);
    const std::size_t items = field::argument(argc, argv, 2, 1'000'000);
    asio::thread_pool pool(2);
    channel there(pool, 64);
    channel back(pool, 64);
    std::atomic<bool> ended{false};

    double begin = field::seconds_now();
    asio::co_spawn(pool, answers(there, back, trips), asio::detached);
    asio::co_spawn(pool, asks(there, back, trips, ended), asio::detached);
    wait_for(ended);
    field::report("round_trip_ns",
                  (field::seconds_now() - begin) * 1e9 / static_cast<double>(trips));

    begin = field::seconds_now();
    asio::co_spawn(pool, produces(there, items), asio::detached);
    asio::co_spawn(pool, consumes(there, items, ended), asio::detached);
    wait_for(ended);
    field::report("item_ns", (field::seconds_now() - begin) * 1e9 / static_cast<double>(items));
    pool.join();
}

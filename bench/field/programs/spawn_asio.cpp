// SPDX-License-Identifier: MIT
// spawn_asio <tasks> <threads>: the same as spawn_aloft with Boost.Asio's coroutines.
#include "measure.hpp"

#include <boost/asio.hpp>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<void> empty(std::atomic<std::size_t>& ran) {
    ran.fetch_add(1, std::memory_order_relaxed);
    co_return;
}

asio::awaitable<void> spawn_all(std::size_t count, std::atomic<std::size_t>& ran) {
    const auto executor = co_await asio::this_coro::executor;
    for (std::size_t i = 0; i < count; ++i) {
        asio::co_spawn(executor, empty(ran), asio::detached);
    }
}

asio::awaitable<void> yields(std::size_t count, std::atomic<std::size_t>& ran) {
    for (std::size_t i = 0; i < count; ++i) {
        co_await asio::post(asio::use_awaitable);
    }
    ran.fetch_add(1);
}

void wait_for(const std::atomic<std::size_t>& ran, std::size_t count) {
    while (ran.load() < count) {
        std::this_thread::yield();
    }
}

constexpr std::size_t rounds = 5;

} // namespace

int main(int argc, char** argv) {
    const std::size_t count = field::argument(argc, argv, 1, 100'000);
    const auto tasks = static_cast<double>(count);
    asio::thread_pool pool(field::argument(argc, argv, 2, 2));
    std::atomic<std::size_t> ran{0};

    field::report("inside_ns", field::median_of(rounds, [&] {
                      ran.store(0);
                      const double begin = field::seconds_now();
                      asio::co_spawn(pool, spawn_all(count, ran), asio::detached);
                      wait_for(ran, count);
                      return (field::seconds_now() - begin) * 1e9 / tasks;
                  }));
    field::report("outside_ns", field::median_of(rounds, [&] {
                      ran.store(0);
                      const double begin = field::seconds_now();
                      for (std::size_t i = 0; i < count; ++i) {
                          asio::co_spawn(pool, empty(ran), asio::detached);
                      }
                      wait_for(ran, count);
                      return (field::seconds_now() - begin) * 1e9 / tasks;
                  }));

    ran.store(0);
    const double begin = field::seconds_now();
    asio::co_spawn(pool, yields(count, ran), asio::detached);
    asio::co_spawn(pool, yields(count, ran), asio::detached);
    wait_for(ran, 2);
    field::report("yield_ns", (field::seconds_now() - begin) * 1e9 / (2 * tasks));
    pool.join();
}

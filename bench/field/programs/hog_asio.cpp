// SPDX-License-Identifier: MIT
// hog_asio <hogs> <threads>: the same as hog_aloft with Boost.Asio's coroutines.
#include "hog.hpp"

#include <boost/asio.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

asio::awaitable<void> sleeps(field::lateness& seen, const std::atomic<bool>& over) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (!over.load()) {
        const double due = field::seconds_now() + 1e-3;
        timer.expires_after(1ms);
        co_await timer.async_wait(asio::use_awaitable);
        seen.woke(due);
    }
}

asio::awaitable<void> computes(field::lateness& seen) {
    seen.compute();
    co_return;
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t hogs = field::argument(argc, argv, 1, 1);
    const std::size_t threads = field::argument(argc, argv, 2, 2);
    field::lateness seen;
    std::atomic<bool> over{false};
    asio::io_context context(static_cast<int>(threads));
    for (int i = 0; i < 100; ++i) {
        asio::co_spawn(context, sleeps(seen, over), asio::detached);
    }
    std::vector<std::thread> pool;
    for (std::size_t i = 0; i < threads; ++i) {
        pool.emplace_back([&] { context.run(); });
    }
    std::this_thread::sleep_for(300ms);
    for (std::size_t i = 0; i < hogs; ++i) {
        asio::co_spawn(context, computes(seen), asio::detached);
    }
    while (seen.hogs_ended() < hogs) {
        std::this_thread::sleep_for(10ms);
    }
    over.store(true);
    for (std::thread& each : pool) {
        each.join(); // when no task is left
    }
    seen.report();
}

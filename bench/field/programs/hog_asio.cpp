// SPDX-License-Identifier: MIT
// hog_asio <hogs> <threads>: the sleeping tasks of hog_aloft, with Boost.Asio's coroutines.
#include "measure.hpp"

#include <boost/asio.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

struct delays {
    std::atomic<bool> counts{false};
    std::atomic<std::size_t> hogs_left{0};
    std::mutex mutex;
    std::vector<double> sleeps;
};

asio::awaitable<void> sleeps(delays& seen) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (;;) {
        const double due = field::seconds_now() + 1e-3;
        timer.expires_after(1ms);
        co_await timer.async_wait(asio::use_awaitable);
        if (seen.counts.load()) {
            const std::scoped_lock lock(seen.mutex);
            seen.sleeps.push_back((field::seconds_now() - due) * 1e3);
        }
    }
}

asio::awaitable<void> computes(delays& seen) {
    seen.counts.store(true);
    const double end = field::seconds_now() + 1.0;
    while (field::seconds_now() < end) {
    }
    seen.counts.store(false);
    seen.hogs_left.fetch_sub(1);
    co_return;
}

} // namespace

int main(int argc, char** argv) {
    delays seen;
    seen.hogs_left.store(field::argument(argc, argv, 1, 1));
    const std::size_t threads = field::argument(argc, argv, 2, 2);
    asio::io_context context(static_cast<int>(threads));
    for (int i = 0; i < 100; ++i) {
        asio::co_spawn(context, sleeps(seen), asio::detached);
    }
    std::vector<std::thread> pool;
    for (std::size_t i = 0; i < threads; ++i) {
        pool.emplace_back([&] { context.run(); });
    }
    std::this_thread::sleep_for(300ms);
    for (std::size_t i = seen.hogs_left.load(); i > 0; --i) {
        asio::co_spawn(context, computes(seen), asio::detached);
    }
    while (seen.hogs_left.load() > 0) {
        std::this_thread::sleep_for(10ms);
    }
    context.stop();
    for (std::thread& each : pool) {
        each.join();
    }
    field::report_delays("sleep", seen.sleeps);
}

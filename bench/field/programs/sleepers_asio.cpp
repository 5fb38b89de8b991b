// SPDX-License-Identifier: MIT
// sleepers_asio <tasks> <milliseconds>: the same as sleepers_aloft with Boost.Asio's coroutines.
#include "measure.hpp"

#include <boost/asio.hpp>

#include <chrono>
#include <cstddef>

namespace asio = boost::asio;

namespace {

asio::awaitable<void> sleeps(std::chrono::milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t count = field::argument(argc, argv, 1, 100'000);
    const std::chrono::milliseconds time(field::argument(argc, argv, 2, 1'000));
    const double before = field::peak_memory();
    asio::io_context context(1);
    const double began = field::seconds_now();
    for (std::size_t i = 0; i < count; ++i) {
        asio::co_spawn(context, sleeps(time), asio::detached);
    }
    context.run();
    field::report("beyond_s",
                  field::seconds_now() - began - std::chrono::duration<double>(time).count());
    field::report("bytes_per_task", (field::peak_memory() - before) / static_cast<double>(count));
}

// SPDX-License-Identifier: MIT
// echo_asio <threads>: an echo server with Boost.Asio's coroutines; on epoll, or on io_uring if it
// is compiled with BOOST_ASIO_HAS_IO_URING and BOOST_ASIO_DISABLE_EPOLL.
#include "server.hpp"

#include <boost/asio.hpp>

#include <array>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

asio::awaitable<void> echo(tcp::socket socket) {
    std::array<char, field::largest_message> buffer;
    for (;;) {
        const auto [error, size] = co_await socket.async_read_some(asio::buffer(buffer), token);
        if (error) {
            co_return;
        }
        field::compute_if_heavy(buffer[0]);
        const auto [failed, sent] =
            co_await asio::async_write(socket, asio::buffer(buffer.data(), size), token);
        if (failed) {
            co_return;
        }
    }
}

asio::awaitable<void> serve(tcp::acceptor& acceptor) {
    const auto executor = co_await asio::this_coro::executor;
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
        socket.set_option(tcp::no_delay(true));
        asio::co_spawn(executor, echo(std::move(socket)), asio::detached);
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t threads = field::argument(argc, argv, 1, 1);
    asio::io_context context(static_cast<int>(threads));
    tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    acceptor.listen(4096);
    field::serve_control(acceptor.local_endpoint().port());
    asio::co_spawn(context, serve(acceptor), asio::detached);
    std::vector<std::thread> pool;
    for (std::size_t i = 1; i < threads; ++i) {
        pool.emplace_back([&] { context.run(); });
    }
    context.run();
}

// SPDX-License-Identifier: MIT
// echo_aloft <threads> <microseconds to spin>: an echo server; server.hpp says how it is measured.
#include "server.hpp"

#include <aloft/aloft.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <utility>

namespace {

aloft::task<> echo(aloft::tcp_stream stream) {
    std::array<std::byte, field::largest_message> buffer;
    for (;;) {
        const auto size = co_await aloft::as_result(stream.read_some(buffer));
        if (!size || *size == 0) {
            co_return;
        }
        field::compute_if_heavy(static_cast<char>(buffer[0]));
        for (std::size_t sent = 0; sent < *size;) {
            const auto rest = std::span(buffer).subspan(sent, *size - sent);
            const auto more = co_await aloft::as_result(stream.write_some(rest));
            if (!more) {
                co_return;
            }
            sent += *more;
        }
    }
}

aloft::task<> serve(aloft::tcp_listener& listener) {
    for (;;) {
        aloft::tcp_stream stream = co_await listener.accept();
        stream.set_no_delay();
        aloft::spawn(echo(std::move(stream))).detach();
    }
}

} // namespace

int main(int argc, char** argv) {
    aloft::runtime rt(aloft::runtime_options{}
                          .threads(field::argument(argc, argv, 1, 1))
                          .spin(std::chrono::microseconds(field::argument(argc, argv, 2, 0))));
    auto listener = aloft::tcp_listener::bind(aloft::endpoint("127.0.0.1", 0));
    field::serve_control(listener.local_endpoint().port());
    aloft::sync_wait(rt, serve(listener));
}

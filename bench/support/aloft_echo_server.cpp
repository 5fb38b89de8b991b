// SPDX-License-Identifier: MIT
#include "support/echo_servers.hpp"

#include <aloft/as_result.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/sync_wait.hpp>

#include <array>
#include <cstdio>
#include <exception>
#include <span>
#include <utility>
#include <vector>

namespace bench {
namespace {

aloft::task<> echo(aloft::tcp_stream stream) {
    std::array<std::byte, largest_message> buffer;
    for (;;) {
        const auto size = co_await aloft::as_result(stream.read_some(buffer));
        if (!size || *size == 0) {
            co_return;
        }
        const std::span<const std::byte> rest = std::span(buffer).first(*size);
        const auto sent = co_await aloft::as_result(stream.write_some(rest));
        if (!sent) {
            co_return;
        }
        if (*sent < rest.size()) {
            co_await stream.write_all(rest.subspan(*sent));
        }
    }
}

} // namespace

aloft_echo_server::aloft_echo_server(aloft::runtime& rt, std::size_t connections)
    : runtime_(&rt),
      listener_(aloft::tcp_listener::bind(aloft::endpoint::loopback(0))),
      served_(aloft::spawn(rt, serve(connections))) {}

aloft::task<> aloft_echo_server::serve(std::size_t connections) {
    std::vector<aloft::join_handle<>> tasks;
    for (std::size_t i = 0; i < connections; ++i) {
        auto stream = co_await aloft::as_result(listener_.accept());
        if (!stream) {
            break;
        }
        stream->set_no_delay();
        tasks.push_back(aloft::spawn(echo(std::move(*stream))));
    }
    for (aloft::join_handle<>& each : tasks) {
        co_await each;
    }
}

aloft_echo_server::~aloft_echo_server() {
    listener_.close();
    try {
        aloft::sync_wait(*runtime_, served_);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "aloft_echo_server: %s\n", error.what());
    }
}

} // namespace bench

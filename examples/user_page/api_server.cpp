// SPDX-License-Identifier: MIT
#include "api_server.hpp"

#include "descriptor_limit.hpp"
#include "http_server.hpp"
#include "page.hpp"

#include "../support/thread_name.hpp"

#include <aloft/endpoint.hpp>
#include <aloft/runtime.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace user_page {

namespace {

/// Takes a number and the character after it, if any, from the front.
bool take_number(std::string_view& text, int& number) {
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed != std::errc()) {
        return false;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    text.remove_prefix(text.empty() ? 0 : 1);
    return true;
}

aloft::task<http_answer> answer(http_request asked) {
    if (asked.target == "/ready" || asked.target == "/") {
        co_return http_answer(200, "ready");
    }
    constexpr std::string_view prefix = "/feed/";
    std::string_view path = asked.target;
    int user = 0;
    int delay = 0;
    if (asked.method != "GET" || !path.starts_with(prefix)) {
        co_return http_answer(404, "no such thing");
    }
    path.remove_prefix(prefix.size());
    if (!take_number(path, user) || !take_number(path, delay)) {
        co_return http_answer(400, "GET /feed/USER/MILLISECONDS");
    }
    const std::string served_by =
        "API: process " + std::to_string(::getpid()) + ", " + support::this_thread_name();
    co_await aloft::sleep_for(std::chrono::milliseconds(delay));
    http_answer feed(200, expected_feed(user));
    feed.extra_headers = "Content-Type: application/json\r\nX-Served-By: " + served_by + "\r\n";
    co_return feed;
}

} // namespace

void serve_api() {
    raise_descriptor_limit();
    aloft::runtime rt(aloft::runtime_options{}.threads(1));
    aloft::tcp_listener listener = aloft::tcp_listener::bind(aloft::endpoint::loopback(0));
    std::cout << listener.local_endpoint().port() << std::endl;
    aloft::sync_wait(rt, serve_http(listener, &answer));
}

} // namespace user_page

// SPDX-License-Identifier: MIT
// with_stop for std::stop_token.
#include <aloft/runtime.hpp>
#include <aloft/std_stop_token.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/yield.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <stop_token>
#include <system_error>
#include <thread>

using namespace std::chrono_literals;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sync_wait;
using aloft::task;
using aloft::with_stop;

namespace {

template <class Awaitable>
bool is_canceled(runtime& rt, Awaitable&& awaitable) {
    try {
        sync_wait(rt, std::forward<Awaitable>(awaitable));
    } catch (const std::system_error& error) {
        return error.code() == std::errc::operation_canceled;
    }
    return false;
}

} // namespace

TEST_CASE("a std::stop_token stops a task before it begins and while it waits") {
    runtime rt(runtime_options{}.threads(2));
    std::stop_source source;
    std::jthread stopper([&] { source.request_stop(); });
    CHECK(is_canceled(rt, with_stop(source.get_token(), aloft::sleep_for(1h))));
    stopper.join();
    CHECK(is_canceled(rt, with_stop(source.get_token(), aloft::sleep_for(1h))));
}

TEST_CASE("a std::stop_token that nobody stops, or that has no state, changes nothing") {
    runtime rt(runtime_options{}.threads(1));
    const auto work = []() -> task<int> {
        co_await aloft::yield();
        co_return 2;
    };
    const std::stop_source source;
    CHECK(sync_wait(rt, with_stop(source.get_token(), work())) == 2);
    CHECK(sync_wait(rt, with_stop(std::stop_token(), work())) == 2);
}

TEST_CASE("what stops the awaiting task stops what a std::stop_token could stop") {
    runtime rt(runtime_options{}.threads(1));
    const std::stop_source unused;
    aloft::stop_source outer;
    outer.request_stop();
    CHECK(is_canceled(
        rt, with_stop(outer.get_token(), with_stop(unused.get_token(), aloft::sleep_for(1h)))));
}

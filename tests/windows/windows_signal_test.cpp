// SPDX-License-Identifier: MIT
// signal_set on Windows: delivery, ownership, cancellation. Where there is no console, events are sent by
// calling the handler as the system calls it: on a thread of its own.
#include <aloft/aloft.hpp>

#include <unit/helpers/signals.hpp>

#include <support/endings.hpp>

#include <catch2/catch_test_macros.hpp>

#include <csignal>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

using namespace test_support;
using aloft::runtime;
using aloft::signal_set;
using aloft::sync_wait;
using aloft::task;
using testing::refusal_of;
using testing::sum_of_signals;

namespace {

/// Whether the handler has taken it.
[[nodiscard]] bool happens(DWORD event) {
    BOOL taken = FALSE;
    std::thread([&] { taken = aloft::detail::on_console_event(event); }).join();
    return taken != FALSE;
}

} // namespace

TEST_CASE("a console event arrives as its signal, whether it comes before the wait or later") {
    runtime rt(workers(1));
    const signal_set set{SIGINT, SIGBREAK};
    CHECK(happens(CTRL_C_EVENT));
    CHECK(happens(CTRL_BREAK_EVENT));
    CHECK(sync_wait(rt, set.wait()) == SIGINT);
    CHECK(sync_wait(rt, set.wait()) == SIGBREAK);
    auto waits = aloft::spawn(rt, sum_of_signals(set, 50));
    for (int i = 0; i < 50; ++i) {
        CHECK(happens(CTRL_C_EVENT));
    }
    CHECK(sync_wait(rt, waits) == 50 * SIGINT);
}

TEST_CASE("Ctrl+C on the console arrives as SIGINT") {
    if (::GetConsoleCP() == 0) {
        SKIP("this program has no console");
    }
    const signal_set set{SIGINT};
    REQUIRE(::SetConsoleCtrlHandler(nullptr, FALSE) != 0); // it may be ignored, by inheritance
    REQUIRE(::GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) != 0);
    CHECK(sync_wait(set.wait()) == SIGINT);
}

TEST_CASE("closing, logging off and shutting down are SIGTERM, and the handler waits for the end") {
    const signal_set set{SIGTERM};
    // It does not come back, and is not detached: winpthreads 10 loses threads that are detached at once.
    static auto& handler =
        *new std::thread([] { (void)aloft::detail::on_console_event(CTRL_CLOSE_EVENT); });
    CHECK(handler.joinable());
    CHECK(sync_wait(set.wait()) == SIGTERM);
}

TEST_CASE("what no set owns goes to others, and a set that has gone owns nothing") {
    std::string sentence;
    CHECK_FALSE(happens(CTRL_C_EVENT));
    {
        const signal_set set{SIGINT};
        CHECK(happens(CTRL_C_EVENT));
        CHECK_FALSE(happens(CTRL_BREAK_EVENT));
        CHECK(refusal_of({SIGBREAK, SIGINT}, sentence) == std::errc::device_or_resource_busy);
        CHECK_FALSE(happens(CTRL_BREAK_EVENT)); // nothing is left of the one that was refused
    }
    CHECK_FALSE(happens(CTRL_C_EVENT));
    CHECK(refusal_of({SIGINT, SIGABRT}, sentence) == std::errc::invalid_argument);
    CHECK_FALSE(happens(CTRL_C_EVENT));
}

TEST_CASE("a set that is moved takes its signals along") {
    runtime rt(workers(1));
    signal_set first{SIGINT};
    CHECK(happens(CTRL_C_EVENT));
    signal_set second = std::move(first);
    CHECK(sync_wait(rt, second.wait()) == SIGINT);
    CHECK(happens(CTRL_C_EVENT));
    first = std::move(second);
    CHECK(sync_wait(rt, first.wait()) == SIGINT);
}

TEST_CASE("events that nobody fetches are kept up to a number, and the rest is dropped") {
    const signal_set set{SIGINT};
    for (int i = 0; i < 300; ++i) {
        CHECK(aloft::detail::deliver_signal(SIGINT));
    }
    CHECK(sync_wait(sum_of_signals(set, 256)) == 256 * SIGINT);
    CHECK(happens(CTRL_C_EVENT));
    CHECK(sync_wait(set.wait()) == SIGINT);
}

TEST_CASE(
    "a wait for a signal is cancelled by the runtime's end, refused after it, and can be dropped") {
    const signal_set set{SIGINT};
    CHECK(ended_by_destruction([&] { return set.wait(); }).canceled());
    CHECK(ended_by_refusal([&] { return set.wait(); }).canceled());
    runtime rt(workers(1));
    CHECK(destroyed_on_its_worker(rt, [&] { return set.wait(); }));
    CHECK(happens(CTRL_C_EVENT));
    CHECK(sync_wait(rt, set.wait()) == SIGINT);
}

TEST_CASE("a simulated world has no signals") {
    const signal_set set{SIGINT};
    std::error_code code;
    try {
        (void)aloft::simulate(1, {}, [&]() -> task<int> { co_return co_await set.wait(); });
    } catch (const std::system_error& error) {
        code = error.code();
    }
    CHECK(code == std::errc::bad_file_descriptor);
}

// SPDX-License-Identifier: MIT
// signal_set: delivery, ownership, restoration, cancellation, and early destruction.
#include <aloft/signal_set.hpp>

#include "helpers/signals.hpp"

#include <support/descriptors.hpp>
#include <support/endings.hpp>

#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::runtime;
using aloft::signal_set;
using aloft::sync_wait;
using aloft::task;
using testing::refusal_of;
using testing::sum_of_signals;

namespace {

void (*handler_of(int number))(int) {
    struct sigaction action = {};
    ::sigaction(number, nullptr, &action);
    return action.sa_handler;
}

} // namespace

TEST_CASE("a wait gives the number of the signal, whether it came before or comes later") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    runtime rt(workers(threads));
    const signal_set set{SIGUSR1, SIGTERM};
    SECTION("before") {
        ::raise(SIGUSR1);
        ::raise(SIGTERM);
        CHECK(sync_wait(rt, set.wait()) == SIGUSR1);
        CHECK(sync_wait(rt, set.wait()) == SIGTERM);
    }
    SECTION("later, from another thread") {
        auto waiting = aloft::spawn(rt, set.wait());
        std::thread([] { ::raise(SIGTERM); }).join();
        CHECK(sync_wait(rt, waiting) == SIGTERM);
    }
    SECTION("to the whole process") {
        auto waiting = aloft::spawn(rt, set.wait());
        ::kill(::getpid(), SIGUSR1);
        CHECK(sync_wait(rt, waiting) == SIGUSR1);
    }
}

TEST_CASE("signals that are raised one by one are counted one by one") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    const signal_set set{SIGUSR1};
    auto sum = aloft::spawn(rt, sum_of_signals(set, 1000));
    for (int i = 0; i < 1000; ++i) {
        ::raise(SIGUSR1);
    }
    CHECK(sync_wait(rt, sum) == 1000 * SIGUSR1);
}

TEST_CASE("more signals than anybody collects neither block nor crash") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const signal_set set{SIGUSR1};
    for (int i = 0; i < 70'000; ++i) { // more than a pipe holds
        ::raise(SIGUSR1);
    }
    CHECK(sync_wait(rt, set.wait()) == SIGUSR1);
}

TEST_CASE("a signal leaves errno alone") {
    const signal_set set{SIGUSR1};
    for (int i = 0; i < 70'000; ++i) {
        errno = 77;
        ::raise(SIGUSR1);
        if (errno != 77) {
            FAIL("errno changed to " << errno);
        }
    }
    SUCCEED();
}

TEST_CASE("real-time signals work, too") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const signal_set set{SIGRTMIN, SIGRTMAX};
    ::raise(SIGRTMAX);
    CHECK(sync_wait(rt, set.wait()) == SIGRTMAX);
}

TEST_CASE("what a signal did before, it does again when the set is gone") {
    const no_leaked_descriptors descriptors;
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    struct sigaction before = {};
    ::sigaction(SIGUSR1, &ignore, &before);
    {
        const signal_set set{SIGUSR1};
        CHECK(handler_of(SIGUSR1) != SIG_IGN);
    }
    CHECK(handler_of(SIGUSR1) == SIG_IGN);
    ::raise(SIGUSR1); // is ignored
    ::sigaction(SIGUSR1, &before, nullptr);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
}

TEST_CASE("what is no signal, or cannot be caught, is refused and leaves nothing behind") {
    const no_leaked_descriptors descriptors;
    std::string sentence;
    const int number = GENERATE(0, -1, 65, 1'000'000);
    CHECK(refusal_of({SIGUSR1, number}, sentence) == std::errc::invalid_argument);
    CHECK(sentence.find(std::to_string(number)) != std::string::npos);
    CHECK(refusal_of({SIGUSR1, SIGKILL}, sentence) == std::errc::invalid_argument);
    CHECK(sentence.find(std::to_string(SIGKILL)) != std::string::npos);
    CHECK(refusal_of({SIGSTOP}, sentence) == std::errc::invalid_argument);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
    const signal_set set{SIGUSR1}; // nobody has it
}

TEST_CASE("a signal belongs to one set at a time") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    std::optional<signal_set> first(std::in_place, std::initializer_list<int>{SIGUSR1});
    std::string sentence;
    const auto before = handler_of(SIGTERM);
    CHECK(refusal_of({SIGTERM, SIGUSR1}, sentence) == std::errc::device_or_resource_busy);
    CHECK(sentence.find(std::to_string(SIGUSR1)) != std::string::npos);
    CHECK(handler_of(SIGTERM) == before);
    ::raise(SIGUSR1);
    CHECK(sync_wait(rt, first->wait()) == SIGUSR1);
    first.reset();
    const signal_set second{SIGUSR1};
    ::raise(SIGUSR1);
    CHECK(sync_wait(rt, second.wait()) == SIGUSR1);
}

TEST_CASE("two sets with different signals do not disturb each other") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    const signal_set first{SIGUSR1};
    const signal_set second{SIGTERM};
    auto waiting = aloft::spawn(rt, second.wait());
    ::raise(SIGUSR1);
    CHECK(sync_wait(rt, first.wait()) == SIGUSR1);
    CHECK_FALSE(waiting.done());
    ::raise(SIGTERM);
    CHECK(sync_wait(rt, waiting) == SIGTERM);
}

TEST_CASE("a set keeps its signals when it is moved") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    signal_set first{SIGUSR1};
    const signal_set second = std::move(first);
    ::raise(SIGUSR1);
    CHECK(sync_wait(rt, second.wait()) == SIGUSR1);
}

TEST_CASE("a wait in flight is cancelled by the runtime's destruction") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    const signal_set set{SIGUSR1};
    const ending result = ended_by_destruction([&] { return set.wait(); }, threads);
    CHECK(result.canceled());
    CHECK(result.says("signal"));
}

TEST_CASE("a wait that begins after the stop is refused and leaves the signal to others") {
    const no_leaked_descriptors descriptors;
    const signal_set set{SIGUSR1};
    ::raise(SIGUSR1);
    CHECK(ended_by_refusal([&] { return set.wait(); }).canceled());
    runtime rt(workers(1));
    CHECK(sync_wait(rt, set.wait()) == SIGUSR1);
}

TEST_CASE("a waiting frame that is destroyed leaves the signals to others") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const signal_set set{SIGUSR1};
    const auto wait = [&] { return set.wait(); };
    for (int i = 0; i < 100; ++i) {
        REQUIRE(destroyed_on_its_worker(rt, wait));
        REQUIRE(destroyed_on_another_thread(rt, wait));
        ::raise(SIGUSR1);
        REQUIRE(sync_wait(rt, set.wait()) == SIGUSR1);
    }
    REQUIRE(destroyed_on_its_worker(rt, wait, 2ms));
}

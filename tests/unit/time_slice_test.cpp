// SPDX-License-Identifier: MIT
// What a runtime tells the system of its threads: short turns for who serves others, the usual ones for
// a hog and for whatever a task starts. Everything here is read back from the kernel.
#include <aloft/detail/reactor/time_slice.hpp>

#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/yield.hpp>

#include <support/hang_guard.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <thread>

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using aloft::runtime;
using aloft::runtime_options;
using aloft::sync_wait;
using aloft::task;
using aloft::detail::scheduling_attributes;
using aloft::detail::time_slice;

namespace {

constexpr int this_thread = 0;

scheduling_attributes attributes_of(int thread) {
    scheduling_attributes now;
    if (!now.read(thread)) {
        now.turn = 0;
    }
    return now;
}

std::uint64_t turn_of_this_thread() {
    return attributes_of(this_thread).turn;
}

/// Runs it on a thread of its own, whose attributes may be spoiled.
template <class F>
void apart(F&& f) {
    std::thread(f).join();
}

/// Whether the system knows the wish; what a fresh thread has.
bool is_known(std::uint64_t& usual) {
    bool known = false;
    apart([&] {
        usual = turn_of_this_thread();
        scheduling_attributes wish = attributes_of(this_thread);
        wish.turn = 300'000;
        wish.write(this_thread);
        known = usual > 300'000 && turn_of_this_thread() == 300'000;
    });
    return known;
}

#define REQUIRE_TURNS(usual)                                                                       \
    std::uint64_t usual = 0;                                                                       \
    if (!is_known(usual)) {                                                                        \
        SKIP("this system does not let a thread say how long its turns are");                      \
    }

task<std::uint64_t> turn_here() {
    co_return turn_of_this_thread();
}

task<std::uint64_t> turn_of_a_new_thread() {
    std::uint64_t turn = 0;
    apart([&] { turn = turn_of_this_thread(); });
    co_return turn;
}

task<bool> child_process_has(std::uint64_t turn) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(turn_of_this_thread() == turn ? 0 : 1);
    }
    int status = -1;
    const bool ended = ::waitpid(child, &status, 0) == child;
    co_return ended ? status == 0 : false;
}

/// Computes until the watcher has noticed, and then comes by until it has noticed that.
task<bool> be_a_hog(std::uint64_t usual) {
    const std::uint64_t before = turn_of_this_thread();
    while (turn_of_this_thread() != usual) {
    }
    const int hog = ::gettid();
    while (attributes_of(hog).turn != before) {
        co_await aloft::yield();
    }
    co_return before < usual;
}

} // namespace

TEST_CASE("workers ask for short turns, and what they start does not", "[time_slice]") {
    REQUIRE_TURNS(usual);
    runtime rt(runtime_options().threads(2));
    REQUIRE(sync_wait(rt, turn_here()) < usual);
    REQUIRE(sync_wait(rt, turn_of_a_new_thread()) == usual);
    REQUIRE(sync_wait(rt, child_process_has(usual)));
    REQUIRE(turn_of_this_thread() == usual);
}

TEST_CASE("a hog has the usual turns until it comes by", "[time_slice]") {
    REQUIRE_TURNS(usual);
    runtime rt(runtime_options().threads(1).spare_workers(0));
    REQUIRE(sync_wait(rt, be_a_hog(usual)));
}

TEST_CASE("threads of the blocking pool have the usual turns", "[time_slice]") {
    REQUIRE_TURNS(usual);
    runtime rt(runtime_options().threads(1));
    const auto turn = [] { return turn_of_this_thread(); };
    REQUIRE(sync_wait(rt, [](auto f) -> task<std::uint64_t> {
                co_return co_await aloft::offload(f);
            }(turn)) == usual);
}

TEST_CASE("a slice changes nothing but the length of turns", "[time_slice]") {
    REQUIRE_TURNS(usual);
    apart([&] {
        const auto self = static_cast<id_t>(::gettid());
        CHECK(::setpriority(PRIO_PROCESS, self, 3) == 0);
        time_slice slice;
        slice.begin(200'000);
        const scheduling_attributes now = attributes_of(this_thread);
        CHECK(now.turn == 200'000);
        CHECK(now.nice == 3);
        CHECK(now.policy == scheduling_attributes::usual_policy);

        std::thread([&slice] { slice.lengthen(); }).join();
        CHECK(turn_of_this_thread() == usual);
        std::thread([&slice] { slice.shorten(); }).join();
        CHECK(turn_of_this_thread() == 200'000);
        CHECK(attributes_of(this_thread).nice == 3);

        slice.end();
        slice.lengthen();
        CHECK(turn_of_this_thread() == 200'000);
    });
}

TEST_CASE("who has shorter turns, or another policy, is left alone", "[time_slice]") {
    REQUIRE_TURNS(usual);
    apart([] {
        scheduling_attributes wish = attributes_of(this_thread);
        wish.turn = 150'000;
        wish.write(this_thread);
        time_slice slice;
        slice.begin(200'000);
        CHECK(turn_of_this_thread() == 150'000);
        slice.lengthen();
        CHECK(turn_of_this_thread() == 150'000);
    });
    apart([] {
        const sched_param none{};
        CHECK(::sched_setscheduler(this_thread, SCHED_BATCH, &none) == 0);
        const scheduling_attributes before = attributes_of(this_thread);
        time_slice slice;
        slice.begin(200'000);
        const scheduling_attributes after = attributes_of(this_thread);
        CHECK(after.policy == SCHED_BATCH);
        CHECK(after.turn == before.turn);
        CHECK(after.flags == before.flags);
    });
}

TEST_CASE("children of a thread with priority keep it", "[time_slice]") {
    REQUIRE_TURNS(usual);
    bool allowed = false;
    int nice_of_child = 0;
    apart([&] {
        allowed = ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), -3) == 0;
        time_slice slice;
        slice.begin(200'000);
        apart([&] { nice_of_child = attributes_of(this_thread).nice; });
    });
    if (!allowed) {
        SKIP("it takes a privilege to have priority");
    }
    REQUIRE(nice_of_child == -3);
}

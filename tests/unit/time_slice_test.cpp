// SPDX-License-Identifier: MIT
// What a runtime tells the system of its threads: short turns for who serves others, the usual ones for
// a hog and for the blocking pool. Everything here is read back from the kernel.
#include <aloft/detail/reactor/time_slice.hpp>

#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/yield.hpp>

#include <support/child_process.hpp>
#include <support/hang_guard.hpp>
#include <support/system_call_filter.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>
#include <thread>

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace test_support;
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

runtime_options with_short_turns() {
    return runtime_options().short_turns(true);
}

/// What this worker has when nobody takes it for a hog, which a busy machine can make of it.
task<std::uint64_t> turn_here(std::uint64_t usual) {
    std::uint64_t turn = turn_of_this_thread();
    while (turn >= usual) {
        co_await aloft::yield();
        turn = turn_of_this_thread();
    }
    co_return turn;
}

task<std::uint64_t> turn_at_once() {
    co_return turn_of_this_thread();
}

/// Computes until the watcher has noticed, and then comes by until it has noticed that.
task<> be_a_hog(std::uint64_t usual) {
    const std::uint64_t before = co_await turn_here(usual);
    while (turn_of_this_thread() != usual) {
    }
    while (turn_of_this_thread() != before) {
        co_await aloft::yield();
    }
}

task<std::uint64_t> turn_in_the_blocking_pool() {
    const auto turn = [] { return turn_of_this_thread(); };
    co_return co_await aloft::offload(turn);
}

} // namespace

TEST_CASE("workers ask for short turns", "[time_slice]") {
    REQUIRE_TURNS(usual);
    runtime rt(with_short_turns().threads(2));
    REQUIRE(sync_wait(rt, turn_here(usual)) < usual);
    REQUIRE(turn_of_this_thread() == usual);
    REQUIRE(sync_wait(rt, turn_in_the_blocking_pool()) == usual); // a worker started that thread
}

TEST_CASE("nobody asks when the user says so", "[time_slice]") {
    REQUIRE_TURNS(usual);
    runtime rt(runtime_options().short_turns(false).threads(1));
    REQUIRE(sync_wait(rt, turn_at_once()) == usual);
}

TEST_CASE("under a filter that might end the process nobody asks, unless the user says so") {
    REQUIRE_TURNS(usual);
    const child_answer unasked = run_in_child([usual]() -> std::string {
        if (!answer_calls(SYS_sched_setattr, SECCOMP_RET_KILL_PROCESS)) {
            return "skip";
        }
        runtime rt(runtime_options().threads(1));
        return sync_wait(rt, turn_at_once()) == usual ? "usual" : "short";
    });
    if (unasked.says("skip")) {
        SKIP("filters cannot be installed here");
    }
    CHECK(unasked.says("usual"));

    const child_answer refused = run_in_child([usual]() -> std::string {
        if (!answer_calls(SYS_sched_setattr, SECCOMP_RET_ERRNO | EPERM)) {
            return "skip";
        }
        runtime rt(with_short_turns().threads(1));
        return sync_wait(rt, turn_at_once()) == usual ? "usual" : "short";
    });
    CHECK(refused.says("usual"));
}

TEST_CASE("a hog has the usual turns until it comes by", "[time_slice]") {
    REQUIRE_TURNS(usual);
    runtime rt(with_short_turns().threads(1).spare_workers(0));
    sync_wait(rt, be_a_hog(usual));
}

TEST_CASE("a spare worker, which the watcher starts, has a worker's turns", "[time_slice]") {
    REQUIRE_TURNS(usual);
    runtime rt(with_short_turns().threads(1).spare_workers(1));
    std::atomic<bool> over{false};
    auto hog = aloft::spawn(rt, [&] {
        while (!over.load()) {
        }
    });
    const std::uint64_t worker = sync_wait(rt, turn_here(usual)); // on the spare one
    over.store(true);
    sync_wait(rt, hog);
    REQUIRE(worker == sync_wait(rt, turn_here(usual)));
}

TEST_CASE("a slice changes nothing but the length of turns", "[time_slice]") {
    REQUIRE_TURNS(usual);
    apart([&] {
        const auto self = static_cast<id_t>(::syscall(SYS_gettid));
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

        // A thread inherits its turns from the one that starts it, and its policy may still be changed.
        apart([&] {
            CHECK(turn_of_this_thread() == 200'000);
            time_slice own;
            own.begin(150'000);
            CHECK(turn_of_this_thread() == 150'000);
            own.lengthen();
            CHECK(turn_of_this_thread() == usual);
        });
        const sched_param none{};
        CHECK(::sched_setscheduler(this_thread, SCHED_BATCH, &none) == 0);
    });
}

TEST_CASE("who has another policy is left alone", "[time_slice]") {
    REQUIRE_TURNS(usual);
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
        slice.lengthen();
        slice.shorten();
        CHECK(attributes_of(this_thread).policy == SCHED_BATCH);
    });
}

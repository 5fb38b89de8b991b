// SPDX-License-Identifier: MIT
// run_on and resume_on: where coroutines run, that everybody comes back, and that nothing is lost when
// a stop or the end of a runtime comes meanwhile.
#include <aloft/event.hpp>
#include <aloft/run_on.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/strand.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/task_group.hpp>
#include <aloft/task_local.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include "helpers/races.hpp"
#include "helpers/scale.hpp"

#include <support/child_process.hpp>
#include <support/orphan.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using aloft::resume_on;
using aloft::run_on;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sleep_for;
using aloft::spawn;
using aloft::stop_source;
using aloft::strand;
using aloft::sync_wait;
using aloft::task;
using aloft::when_all;
using aloft::with_stop;
using aloft::yield;
using test_support::wait_until;

namespace {

inline aloft::task_local<int> number{0};

bool on(const runtime& rt) {
    return aloft::this_worker::index() >= 0 && &runtime::current() == &rt;
}

task<bool> is_on(const runtime& rt) {
    const bool before = on(rt);
    co_await yield();
    co_await sleep_for(100us);
    co_return before&& on(rt);
}

/// Moves through all places and says where it was not where it should have been.
task<std::string> travels(runtime& a, runtime& b, strand& s) {
    std::string wrong;
    const auto check = [&wrong](bool right, const char* where) {
        if (!right) {
            wrong += where;
        }
    };
    check(on(a), "begin ");
    co_await resume_on(b);
    check(on(b), "to b ");
    co_await sleep_for(100us);
    check(on(b), "b, sleep ");
    const auto [first, second] = co_await when_all(is_on(b), is_on(b));
    check(first && second, "b, children ");
    co_await resume_on(b);
    check(on(b), "b again ");
    co_await resume_on(s);
    check(s.runs_here(), "to the strand ");
    co_await sleep_for(100us);
    check(s.runs_here(), "strand, sleep ");
    co_await resume_on(a);
    check(on(a) && !s.runs_here(), "home ");
    co_await yield();
    check(on(a) && !s.runs_here(), "home, yield ");
    co_await resume_on(b);
    check(on(b), "end ");
    co_return wrong;
}

} // namespace

TEST_CASE("run_on runs a task there, and the caller goes on here") {
    runtime a(runtime_options{}.threads(2));
    runtime b(runtime_options{}.threads(2));
    const auto calls = [&]() -> task<bool> {
        bool right = on(a);
        right = co_await run_on(b, is_on(b)) && right;
        right = on(a) && right;
        const auto [first, second] = co_await when_all(run_on(b, is_on(b)), is_on(a));
        right = first && second && on(a) && right;
        right = co_await run_on(a, is_on(a)) && right;
        // there and back within each other
        right = co_await run_on(b, run_on(a, is_on(a))) && right;
        co_return right&& on(a);
    };
    for (int i = 0; i < 20; ++i) {
        CHECK(sync_wait(a, calls()));
    }
}

TEST_CASE("every call that is sent to another runtime comes back once, with its value") {
    runtime a(runtime_options{}.threads(2));
    runtime b(runtime_options{}.threads(2));
    strand s(b);
    std::size_t on_strand = 0; // plain on purpose
    const std::size_t rounds = testing::scaled(3000);
    std::atomic<std::size_t> sum{0};
    const auto calls = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            sum.fetch_add(
                co_await run_on(b, [](std::size_t n) -> task<std::size_t> { co_return n; }(i)));
            co_await run_on(s, [](std::size_t& count) -> task<> {
                ++count;
                co_return;
            }(on_strand));
        }
    };
    sync_wait(a, when_all(calls(), calls(), calls(), calls()));
    CHECK(sum.load() == 4 * (rounds * (rounds - 1) / 2));
    CHECK(on_strand == 4 * rounds);
}

TEST_CASE("a task that moves goes on there, and who awaits it stays where it was") {
    runtime a(runtime_options{}.threads(2));
    runtime b(runtime_options{}.threads(2));
    strand s(b);
    const auto awaits = [&]() -> task<std::string> {
        std::string wrong = co_await travels(a, b, s);
        wrong += on(a) ? "" : "parent ";
        const auto [first, second] = co_await when_all(travels(a, b, s), travels(a, b, s));
        wrong += first + second + (on(a) ? "" : "parent of two ");
        auto handle = spawn(travels(a, b, s));
        wrong += co_await handle;
        wrong += on(a) ? "" : "joiner ";
        std::string in_group;
        co_await aloft::with_task_group([&](aloft::task_group& group) -> task<> {
            group.spawn([](std::string& to, runtime& x, runtime& y, strand& z) -> task<> {
                to = co_await travels(x, y, z);
            }(in_group, a, b, s));
            co_return;
        });
        wrong += in_group + (on(a) ? "" : "parent of a group ");
        co_return wrong;
    };
    for (std::size_t i = 0; i < testing::scaled(50); ++i) {
        REQUIRE(sync_wait(a, awaits()).empty());
        REQUIRE(sync_wait(a, travels(a, b, s)).empty());
    }
}

TEST_CASE("a task on a strand may leave it and come back") {
    runtime rt(runtime_options{}.threads(2));
    strand s(rt);
    std::size_t count = 0; // plain on purpose
    const std::size_t rounds = testing::scaled(2000);
    const auto commutes = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            co_await resume_on(s);
            ++count;
            co_await yield();
            ++count;
            co_await resume_on(rt);
        }
    };
    sync_wait(rt, when_all(commutes(), commutes(), commutes(), commutes()));
    sync_wait(rt, when_all(commutes(), run_on(s, commutes())));
    CHECK(count == 6 * 2 * rounds);
}

TEST_CASE("an exception of a task that moved is thrown where it is awaited") {
    runtime a(runtime_options{}.threads(1));
    runtime b(runtime_options{}.threads(1));
    const auto throws = [&]() -> task<int> {
        co_await resume_on(b);
        throw std::runtime_error("away");
    };
    const auto catches = [&](auto make) -> task<bool> {
        try {
            (void)co_await make();
        } catch (const std::runtime_error& error) {
            co_return on(a) && error.what() == std::string("away");
        }
        co_return false;
    };
    CHECK(sync_wait(a, catches([&] { return throws(); })));
    CHECK(sync_wait(a, catches([&] { return run_on(b, throws()); })));
    CHECK(sync_wait(a, catches([&] { return when_all(throws(), throws()); })));
}

TEST_CASE("bindings of task_locals go along") {
    runtime a(runtime_options{}.threads(1));
    runtime b(runtime_options{}.threads(1));
    strand s(b);
    const auto reads = [&]() -> task<int> {
        const int here = co_await number.get();
        co_await resume_on(s);
        const int there = co_await number.get();
        co_return here * 10 + there;
    };
    CHECK(sync_wait(a, number.with(4, run_on(b, reads()))) == 44);
}

TEST_CASE("the caller's token stops what runs on another runtime, before and meanwhile") {
    runtime a(runtime_options{}.threads(2));
    runtime b(runtime_options{}.threads(1));
    strand s(b);
    const auto moves = [&]() -> task<> {
        co_await resume_on(b);
        co_await sleep_for(1h);
    };
    const auto stops = [&](auto make) {
        for (const bool before : {true, false}) {
            stop_source source;
            std::atomic<int> begun{0};
            std::atomic<testing::end> how{testing::end::none};
            std::thread stopper([&] {
                if (!before) {
                    wait_until([&] { return begun.load() > 0; });
                    source.request_stop();
                }
            });
            if (before) {
                source.request_stop();
            }
            sync_wait(a, with_stop(source.get_token(), testing::record(make, begun, how)));
            stopper.join();
            CHECK(how.load() == testing::end::canceled);
        }
    };
    stops([&] { return run_on(b, sleep_for(1h)); });
    stops([&] { return run_on(s, sleep_for(1h)); });
    stops([&] { return moves(); });
}

TEST_CASE("a stop request races the end of what runs on another runtime, and either wins whole") {
    aloft::event set;
    runtime b(runtime_options{}.threads(1));
    testing::races(
        "run_on a runtime", 3000, [&] { return run_on(b, set.wait()); }, [&] { set.set(); },
        [&](bool) {
            set.reset();
            return true;
        });
    const auto moves = [&]() -> task<> {
        co_await resume_on(b);
        co_await set.wait();
    };
    testing::races(
        "resume_on a runtime", 3000, [&] { return moves(); }, [&] { set.set(); },
        [&](bool) {
            set.reset();
            return true;
        });
}

TEST_CASE("the end of either runtime ends what one has sent to the other") {
    for (const bool callers_first : {true, false}) {
        for (const bool by_moving : {true, false}) {
            std::atomic<int> begun{0};
            std::atomic<int> canceled{0};
            std::optional<runtime> a;
            std::optional<runtime> b;
            a.emplace(runtime_options{}.threads(1));
            b.emplace(runtime_options{}.threads(1));
            const auto sleeps = [&]() -> task<> {
                if (by_moving) {
                    co_await resume_on(*b);
                }
                begun.fetch_add(1);
                co_await sleep_for(1h);
            };
            const auto sends = [&]() -> task<> {
                try {
                    if (by_moving) {
                        co_await sleeps();
                    } else {
                        co_await run_on(*b, sleeps());
                    }
                } catch (const std::system_error& error) {
                    canceled.fetch_add(error.code() == std::errc::operation_canceled && on(*a) ? 1
                                                                                               : 0);
                }
            };
            auto handle = spawn(*a, sends());
            wait_until([&] { return begun.load() == 1; });
            if (callers_first) {
                a.reset();
                CHECK(canceled.load() == 1);
                b.reset();
            } else {
                b.reset();
                a.reset();
                CHECK(canceled.load() == 1);
            }
        }
    }
}

TEST_CASE("a runtime may go as soon as what was sent there has come back") {
    runtime a(runtime_options{}.threads(2));
    const auto visits = [&]() -> task<> {
        for (std::size_t i = 0; i < testing::scaled(60); ++i) {
            runtime b(runtime_options{}.threads(1));
            co_await run_on(b, yield());
            co_await resume_on(b);
            co_await yield();
            co_await resume_on(a);
        }
    };
    sync_wait(a, when_all(visits(), visits()));
}

TEST_CASE("a frame that is destroyed while its task runs elsewhere is an error that says so") {
    const auto answer = test_support::run_in_child([] {
        runtime a(runtime_options{}.threads(1));
        runtime b(runtime_options{}.threads(1));
        aloft::event never;
        std::atomic<bool> begun{false};
        const auto waits = [](aloft::event& e, std::atomic<bool>& at) -> task<> {
            at = true;
            co_await e.wait();
        };
        const auto begins = [&]() -> task<test_support::orphan> {
            co_return [](runtime& to, task<> work) -> test_support::orphan {
                co_await run_on(to, std::move(work));
            }(b, waits(never, begun));
        };
        test_support::orphan frame = sync_wait(a, begins());
        wait_until([&] { return begun.load(); });
        frame.destroy();
        return std::string("survived");
    });
    CHECK(answer.aborted());
    CHECK(answer.errors.find("a frame was destroyed while a task that it had sent elsewhere") !=
          std::string::npos);
}

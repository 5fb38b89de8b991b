// SPDX-License-Identifier: MIT
// select: exactly one branch happens, whoever races, and the others leave nothing behind.
#include <aloft/channel.hpp>
#include <aloft/runtime.hpp>
#include <aloft/select.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <support/orphan.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using aloft::after;
using aloft::channel;
using aloft::runtime;
using aloft::runtime_options;
using aloft::select;
using aloft::spawn;
using aloft::stop_source;
using aloft::sync_wait;
using aloft::task;
using aloft::with_stop;
using aloft::yield;

namespace {

runtime_options one_worker() {
    return runtime_options{}.threads(1).spare_workers(0);
}

task<> settle() {
    for (int turns = 0; turns < 20; ++turns) {
        co_await yield();
    }
}

} // namespace

TEST_CASE("select does the one that is ready, and says which one and what it gave") {
    auto parent = []() -> task<> {
        channel<int> a(1);
        channel<std::unique_ptr<int>> b(1);
        CHECK(a.try_send(1));
        const auto first = co_await select(a.recv(), b.recv());
        CHECK(first.index() == 0);
        CHECK(std::get<0>(first) == 1);
        CHECK(b.try_send(std::make_unique<int>(2)));
        const auto second = co_await select(a.recv(), b.recv(), after(1h));
        CHECK(second.index() == 1);
        CHECK(**std::get<1>(second) == 2);
        const auto third = co_await select(a.recv(), b.send(std::make_unique<int>(3)));
        CHECK(third.index() == 1);
        CHECK(**b.try_recv() == 3);
        CHECK(a.empty());
    };
    sync_wait(parent());
}

TEST_CASE("select chooses a closed channel: a receive gives the end, a send fails") {
    auto parent = []() -> task<> {
        channel<int> open(0);
        channel<int> shut(1);
        shut.close();
        const auto end = co_await select(open.recv(), shut.recv());
        CHECK(end.index() == 1);
        CHECK_FALSE(std::get<1>(end).has_value());
        bool refused = false;
        try {
            (void)co_await select(open.recv(), shut.send(1));
        } catch (const std::system_error& error) {
            refused = error.code() == std::errc::broken_pipe;
        }
        CHECK(refused);
    };
    sync_wait(parent());
}

TEST_CASE("among several that are ready select prefers none") {
    auto parent = []() -> task<> {
        std::array<int, 3> chosen{};
        channel<int> a(1);
        channel<int> b(1);
        channel<int> c(1);
        for (int i = 0; i < 3'000; ++i) {
            (void)a.try_send(1);
            (void)b.try_send(2);
            (void)c.try_recv();
            const auto r = co_await select(a.recv(), b.recv(), c.send(3));
            ++chosen[r.index()];
        }
        for (const int each : chosen) {
            CHECK(each > 700);
        }
    };
    sync_wait(parent());
}

TEST_CASE("a select that waits is ended by the first that comes, and the others see nobody") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        channel<int> a(0);
        channel<int> b(0);
        channel<int> c(0);
        std::optional<std::size_t> index;
        std::optional<int> value;
        auto waits = [&]() -> task<> {
            auto r = co_await select(a.recv(), b.send(5), c.recv());
            index = r.index();
            if (r.index() == 0) {
                value = std::get<0>(r);
            }
        };
        auto first = spawn(waits());
        co_await settle();
        CHECK(a.try_send(4));
        CHECK_FALSE(b.try_recv()); // it has not even run yet
        CHECK_FALSE(a.try_send(4));
        CHECK_FALSE(c.try_send(4));
        co_await first;
        CHECK(index == 0);
        CHECK(value == 4);
        auto second = spawn(waits());
        co_await settle();
        CHECK(b.try_recv() == 5);
        CHECK_FALSE(a.try_send(4));
        CHECK_FALSE(b.try_recv());
        co_await second;
        CHECK(index == 1);
        auto third = spawn(waits());
        co_await settle();
        c.close();
        CHECK_FALSE(a.try_send(4));
        co_await third;
        CHECK(index == 2);
    };
    sync_wait(rt, parent());
}

TEST_CASE("a limit ends a select that waits, and after(0) one that would have to") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        channel<int> a(0);
        channel<int> b(1);
        CHECK(b.try_send(1));
        const auto late = co_await select(a.recv(), b.send(2), after(2ms));
        CHECK(late.index() == 2);
        CHECK_FALSE(a.try_send(1));
        CHECK(b.size() == 1);
        const auto at_once = co_await select(a.recv(), after(0ms));
        CHECK(at_once.index() == 1);
        const auto ready = co_await select(b.recv(), after(0ms));
        CHECK(ready.index() == 0);
        const auto shorter = co_await select(after(1h), a.recv(), after(1ms));
        CHECK(shorter.index() == 2);
    };
    sync_wait(rt, parent());
}

TEST_CASE("selects without a limit of theirs leave no timers behind") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        channel<int> a(1);
        auto sends = [&]() -> task<> {
            for (int i = 0; i < 1'000; ++i) {
                co_await a.send(i);
                co_await yield();
            }
        };
        auto sender = spawn(sends());
        for (int i = 0; i < 1'000; ++i) {
            const auto r = co_await select(after(24h), a.recv(), after(48h));
            REQUIRE(r.index() == 1);
            REQUIRE(std::get<1>(r) == i);
        }
        co_await sender;
    };
    sync_wait(rt, parent()); // the frames are gone: a timer left behind would point into nothing
    sync_wait(rt, aloft::sleep_for(1ms));
}

TEST_CASE("two selects meet, also one that offers both sides of one channel") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        channel<int> ch(0);
        int received = 0;
        int sent = 0;
        auto both = [&](int mine) -> task<> {
            auto r = co_await select(ch.recv(), ch.send(int{mine}));
            if (r.index() == 0) {
                received += *std::get<0>(r);
            } else {
                sent += mine;
            }
        };
        for (int round = 0; round < 100; ++round) {
            auto one = spawn(both(1));
            co_await settle();
            CHECK(received == sent);
            auto two = spawn(both(1));
            co_await one;
            co_await two;
            CHECK(received == round + 1);
            CHECK(sent == round + 1);
        }
    };
    sync_wait(rt, parent());
}

TEST_CASE("a send that has a name keeps its value when another branch is done") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        channel<int> a(1);
        channel<std::unique_ptr<int>> b(0);
        auto sending = b.send(std::make_unique<int>(7));
        CHECK(a.try_send(1));
        const auto first = co_await select(a.recv(), sending);
        CHECK(first.index() == 0);
        REQUIRE(sending.value() != nullptr);
        const auto second = co_await select(a.recv(), sending, after(1ms));
        CHECK(second.index() == 2);
        REQUIRE(sending.value() != nullptr);
        CHECK(*sending.value() == 7);
        auto receives = [&]() -> task<> {
            const auto value = co_await b.recv();
            CHECK(**value == 7);
        };
        auto receiver = spawn(receives());
        const auto third = co_await select(a.recv(), sending);
        CHECK(third.index() == 1);
        CHECK(sending.value() == nullptr);
        co_await receiver;
    };
    sync_wait(rt, parent());
}

TEST_CASE("a select that is stopped has done nothing") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        channel<int> a(0);
        channel<int> b(1);
        CHECK(b.try_send(1));
        bool canceled = false;
        auto waits = [&]() -> task<> {
            try {
                (void)co_await select(a.recv(), b.send(2), after(1h));
            } catch (const std::system_error& error) {
                canceled = error.code() == std::errc::operation_canceled;
            }
        };
        stop_source before;
        before.request_stop();
        co_await with_stop(before.get_token(), waits());
        CHECK(std::exchange(canceled, false));
        stop_source meanwhile;
        auto waiter = spawn(with_stop(meanwhile.get_token(), waits()));
        co_await settle();
        meanwhile.request_stop();
        CHECK_FALSE(a.try_send(3));
        co_await waiter;
        CHECK(std::exchange(canceled, false));
        CHECK(b.size() == 1);
        bool late = false;
        try {
            (void)co_await aloft::with_timeout(1ms, select(a.recv(), b.send(2)));
        } catch (const std::system_error& error) {
            late = error.code() == std::errc::timed_out;
        }
        CHECK(late);
        CHECK(b.size() == 1);
    };
    sync_wait(rt, parent());
}

TEST_CASE("the runtime's end stops a select, with and without a limit") {
    channel<int> a(0);
    channel<int> b(0);
    std::atomic<int> canceled{0};
    std::atomic<int> begun{0};
    auto waits = [&](bool limited) -> task<> {
        begun.fetch_add(1);
        try {
            if (limited) {
                (void)co_await select(a.recv(), b.send(1), after(1h));
            } else {
                (void)co_await select(a.recv(), b.send(1));
            }
        } catch (const std::system_error& error) {
            canceled.fetch_add(error.code() == std::errc::operation_canceled ? 1 : 0);
        }
    };
    {
        runtime rt(runtime_options{}.threads(2));
        for (int i = 0; i < 6; ++i) {
            spawn(rt, waits(i % 2 == 0)).detach();
        }
        test_support::wait_until([&] { return begun.load() == 6; });
    }
    CHECK(canceled.load() == 6);
    CHECK_FALSE(a.try_send(1));
    CHECK_FALSE(b.try_recv());
}

TEST_CASE("a frame that is destroyed while its select waits leaves nothing behind") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        channel<int> a(0);
        channel<int> b(0);
        auto waits = [](channel<int>& from, channel<int>& to) -> test_support::orphan {
            (void)co_await select(from.recv(), to.send(1), after(1h));
        };
        test_support::orphan frame = waits(a, b);
        co_await settle();
        frame.destroy();
        CHECK_FALSE(a.try_send(1));
        CHECK_FALSE(b.try_recv());
    };
    sync_wait(rt, parent());
}

TEST_CASE("whoever receives what a select has sent may destroy that channel") {
    runtime rt(one_worker());
    channel<int> other(0);
    auto parent = [&]() -> task<> {
        auto taken = std::make_unique<channel<int>>(0);
        auto sends = spawn([](channel<int>& to, channel<int>& from) -> task<std::size_t> {
            auto r = co_await select(to.send(1), from.recv());
            co_return r.index();
        }(*taken, other));
        co_await settle();
        const auto value = co_await taken->recv();
        taken.reset(); // before the select has gone on
        CHECK(value == 1);
        const auto branch = co_await sends;
        CHECK(branch == 0);
        CHECK_FALSE(other.try_send(2));
    };
    sync_wait(rt, parent());
}

TEST_CASE(
    "several threads race to end a select: exactly one does, and no value is lost or doubled") {
    const std::uint64_t seed = testing::make_seed("threads against select");
    const std::size_t rounds = testing::race_rounds(50'000);
    runtime rt(runtime_options{}.threads(2));
    channel<std::size_t> a(0);
    channel<std::size_t> b(0);
    std::atomic<std::size_t> round{0};
    std::array<std::atomic<std::size_t>, 2> completed{};
    std::array<std::atomic<bool>, 2> did{};
    std::optional<stop_source> source;
    source.emplace();
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 2; ++t) {
        threads.emplace_back([&, t] {
            testing::dice dice(seed + t);
            for (std::size_t i = 1; i <= rounds; ++i) {
                test_support::wait_closely([&] { return round.load() >= i; });
                dice.maybe_yield(2);
                if (t == 0) {
                    did[0].store(a.try_send(i));
                    if (i % 3 == 0) {
                        source->request_stop();
                    }
                } else {
                    did[1].store(b.try_recv() == i);
                    source->request_stop();
                }
                completed[t].store(i);
            }
        });
    }
    std::array<std::size_t, 4> ends{};
    for (std::size_t i = 1; i <= rounds; ++i) {
        std::size_t how = 3;
        auto waits = [&]() -> task<> {
            try {
                auto r = co_await select(a.recv(), b.send(std::size_t{i}),
                                         after(std::chrono::microseconds(5 + i % 50)));
                how = r.index();
                if (how == 0 && std::get<0>(r) != i) {
                    how = 4;
                }
            } catch (const std::system_error& error) {
                how = error.code() == std::errc::operation_canceled ? 3 : 4;
            }
        };
        round.store(i);
        sync_wait(rt, with_stop(source->get_token(), waits()));
        test_support::wait_closely(
            [&] { return completed[0].load() >= i && completed[1].load() >= i; });
        REQUIRE(how < 4);
        REQUIRE(did[0].load() == (how == 0));
        REQUIRE(did[1].load() == (how == 1));
        ++ends[how];
        source.reset();
        source.emplace();
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    std::printf("select: %zu received, %zu sent, %zu too late, %zu stopped\n", ends[0], ends[1],
                ends[2], ends[3]);
    CHECK_FALSE(a.try_send(0));
    CHECK_FALSE(b.try_recv());
}

TEST_CASE("selects on both sides of shared channels pass each value on exactly once") {
    const std::size_t capacity = GENERATE(as<std::size_t>{}, 0, 1, 4);
    const std::uint64_t seed = testing::make_seed("selects against selects");
    const std::size_t each = testing::scaled(10'000);
    constexpr std::size_t tasks = 4;
    runtime rt(runtime_options{}.threads(4));
    std::array<std::unique_ptr<channel<std::size_t>>, 3> channels;
    for (auto& ch : channels) {
        ch = std::make_unique<channel<std::size_t>>(capacity);
    }
    std::vector<std::atomic<unsigned char>> seen(tasks * each);
    std::atomic<std::size_t> left{tasks};
    std::atomic<std::size_t> wrong{0};
    std::atomic<std::size_t> late{0};
    auto sends = [&](std::size_t number) -> task<> {
        testing::dice dice(seed + number);
        for (std::size_t i = 0; i < each; ++i) {
            const std::size_t x = dice.below(3);
            const std::size_t y = (x + 1 + dice.below(2)) % 3;
            std::size_t value = number * each + i;
            bool sent = false;
            while (!sent) {
                auto r = co_await select(channels[x]->send(value), channels[y]->send(value),
                                         after(std::chrono::microseconds(dice.below(200) + 1)));
                sent = r.index() < 2;
                late.fetch_add(sent ? 0 : 1);
            }
        }
        if (left.fetch_sub(1) == 1) {
            for (auto& ch : channels) {
                ch->close();
            }
        }
    };
    auto receives = [&](std::size_t number) -> task<> {
        testing::dice dice(seed + 100 + number);
        std::size_t closed = 0;
        while (closed < 3) {
            const std::size_t x = number % 2 == 0 ? 0 : 2;
            const std::size_t z = 2 - x;
            auto r = co_await select(channels[x]->recv(), channels[1]->recv(), channels[z]->recv());
            const auto value = r.index() == 0   ? std::get<0>(r)
                               : r.index() == 1 ? std::get<1>(r)
                                                : std::get<2>(r);
            if (value) {
                wrong.fetch_add(seen[*value].exchange(1) == 0 ? 0 : 1);
            } else { // one is closed and empty: drain the others
                for (auto& ch : channels) {
                    while (const auto rest = co_await ch->recv()) {
                        wrong.fetch_add(seen[*rest].exchange(1) == 0 ? 0 : 1);
                    }
                    ++closed;
                }
            }
        }
    };
    std::vector<aloft::join_handle<>> handles;
    for (std::size_t i = 0; i < tasks; ++i) {
        handles.push_back(spawn(rt, sends(i)));
        handles.push_back(spawn(rt, receives(i)));
    }
    for (auto& handle : handles) {
        sync_wait(rt, handle);
    }
    CHECK(wrong.load() == 0);
    CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& s) { return s.load() == 1; }));
    std::printf("selects: %zu limits\n", late.load());
}

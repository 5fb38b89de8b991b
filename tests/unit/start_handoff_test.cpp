// SPDX-License-Identifier: MIT
// The meeting of starter, reaper and canceller at an operation on a completion port; no Windows needed.
#include <aloft/detail/reactor/start_handoff.hpp>

#include <support/wait_until.hpp>
#include <unit/helpers/scale.hpp>
#include <unit/helpers/seed.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

using aloft::detail::start_handoff;

TEST_CASE("of starter and reaper the one that comes second finishes the operation") {
    start_handoff handoff;
    handoff.begin();
    CHECK_FALSE(handoff.call_returned([] {}));
    CHECK(handoff.answer_came());

    handoff.begin();
    CHECK_FALSE(handoff.answer_came());
    CHECK(handoff.call_returned([] {}));
}

TEST_CASE("a cancellation that comes before the call has returned is made by the starter, once") {
    start_handoff handoff;
    handoff.begin();
    CHECK_FALSE(handoff.want_cancel());
    CHECK_FALSE(handoff.want_cancel());
    int made = 0;
    CHECK_FALSE(handoff.call_returned([&made] { ++made; }));
    CHECK(made == 1);
    CHECK(handoff.want_cancel());
    CHECK(handoff.answer_came());
}

TEST_CASE("however the three meet, one finishes, and no cancellation is lost") {
    const std::uint64_t rounds = testing::scaled(20'000);
    testing::dice dice(testing::make_seed("start_handoff"));
    std::atomic<std::uint64_t> round{0};
    std::atomic<std::uint64_t> ended{0};
    std::atomic<int> finished{0};
    std::atomic<int> canceled{0};
    start_handoff handoff;
    const auto in_each_round = [&](auto&& act) {
        for (std::uint64_t i = 1; i <= rounds; ++i) {
            test_support::wait_closely([&] { return round.load() >= i; });
            act(i);
            ended.fetch_add(1);
        }
    };
    std::thread starter([&] {
        in_each_round([&](std::uint64_t) {
            if (handoff.call_returned([&] { canceled.fetch_add(1); })) {
                finished.fetch_add(1);
            }
        });
    });
    std::thread reaper([&] {
        in_each_round([&](std::uint64_t) {
            if (handoff.answer_came()) {
                finished.fetch_add(1);
            }
        });
    });
    std::thread canceller([&] {
        in_each_round([&](std::uint64_t) {
            if (handoff.want_cancel()) {
                canceled.fetch_add(1);
            }
        });
    });
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 1; i <= rounds; ++i) {
        handoff.begin();
        finished = 0;
        canceled = 0;
        round.store(i);
        dice.maybe_yield(2);
        test_support::wait_closely([&] { return ended.load() >= 3 * i; });
        wrong += finished.load() == 1 && canceled.load() == 1 ? 0 : 1;
    }
    starter.join();
    reaper.join();
    canceller.join();
    CHECK(wrong == 0);
}

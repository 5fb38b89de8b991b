// SPDX-License-Identifier: MIT
// Everything that can be awaited and is no operation of the system, against a stop request that comes
// before, meanwhile, at the same time, and behind what it waits for.
#include <aloft/aloft.hpp>

#include "helpers/races.hpp"
#include "helpers/waiting.hpp"

#include <support/endings.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using aloft::event;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using test_support::workers;
using testing::end;

namespace {

/// Counts the frames that it is a parameter of, from the call on.
class alive {
public:
    explicit alive(std::atomic<int>& of) : of_(&of) { of_->fetch_add(1); }
    alive(alive&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    ~alive() {
        if (of_ != nullptr) {
            of_->fetch_sub(1);
        }
    }

private:
    std::atomic<int>* of_;
};

task<int> wait_for(event& e, alive) {
    co_await e.wait();
    co_return 1;
}

/// Waits for the event in a frame of its own.
task<int> child(event& e, std::atomic<int>& frames) {
    return wait_for(e, alive(frames));
}

std::vector<task<int>> children(event& e, std::atomic<int>& frames) {
    std::vector<task<int>> both;
    both.push_back(child(e, frames));
    both.push_back(child(e, frames));
    return both;
}

/// Ends it when it waits, and stops it behind that, before it can go on; with one worker.
template <class Make, class Complete>
[[nodiscard]] end stopped_behind(Make make, Complete complete) {
    aloft::runtime rt(workers(1));
    aloft::stop_source source;
    std::atomic<int> begun{0};
    std::atomic<end> how{end::none};
    auto parent = [&]() -> task<end> {
        auto waits = spawn(aloft::with_stop(source.get_token(), testing::record(make, begun, how)));
        co_await testing::settle();
        const end before = how.load();
        complete();
        source.request_stop();
        co_await waits;
        co_return before == end::none ? how.load() : before;
    };
    return sync_wait(rt, parent());
}

constexpr std::size_t rounds = 4'000; // scale.hpp: many more where all are asked for

/// `make` gives what waits for the event; everything else is the same for all.
template <class Make>
void races_event(const char* name, event& e, std::atomic<int>& frames, Make make,
                 bool joins = true) {
    testing::races(
        name, rounds, make, [&] { e.set(); },
        [&](bool) {
            if (!joins) {
                test_support::wait_closely([&] { return frames.load() == 0; });
            }
            const bool was_set = e.is_set();
            e.reset();
            return was_set && frames.load() == 0;
        });
}

} // namespace

TEST_CASE("waiting for values gives up in every way") {
    aloft::channel<int> full(1);
    CHECK(full.try_send(1));
    testing::gives_up_in_every_way([&] { return full.send(2); });
    aloft::channel<int> empty(0);
    testing::gives_up_in_every_way([&] { return empty.recv(); });
    testing::gives_up_in_every_way([&] { return aloft::select(empty.recv(), full.send(2)); });
    testing::gives_up_in_every_way([&] { return aloft::select(empty.recv(), aloft::after(1h)); });
    CHECK(full.size() == 1);
    CHECK_FALSE(empty.try_send(1));
    aloft::broadcast_channel<int> news(1);
    auto listens = news.subscribe();
    testing::gives_up_in_every_way([&] { return listens.recv(); });
    aloft::watch_channel<int> state(0);
    auto watches = state.subscribe();
    testing::gives_up_in_every_way([&] { return watches.changed(); });
    const aloft::completion_source<int> source;
    testing::gives_up_in_every_way([&] { return source.get(); });
    aloft::semaphore none(0);
    testing::gives_up_in_every_way([&] { return none.acquire(); });
    CHECK_FALSE(none.try_acquire());
}

TEST_CASE("waiting for time gives up in every way") {
    testing::gives_up_in_every_way([] { return aloft::sleep_for(1h); });
    aloft::periodic_timer timer(1h);
    testing::gives_up_in_every_way([&] { return timer.tick(); });
}

TEST_CASE("what joins others is stopped before and meanwhile, and no frame is left") {
    event never;
    std::atomic<int> frames{0};
    CHECK(testing::is_stopped(
        [&] { return aloft::when_all(child(never, frames), child(never, frames)); }));
    CHECK(testing::is_stopped([&] { return aloft::when_all(children(never, frames)); }));
    CHECK(testing::is_stopped(
        [&] { return aloft::when_any(child(never, frames), child(never, frames)); }));
    CHECK(testing::is_stopped([&] { return aloft::when_any(children(never, frames)); }));
    CHECK(testing::is_stopped([&]() -> task<int> {
        auto each = aloft::when_each(children(never, frames));
        auto first = co_await each.next();
        co_return first ? 1 : 0;
    }));
    CHECK(testing::is_stopped([&]() -> task<> {
        const std::array numbers{1, 2, 3};
        co_await aloft::parallel_for_each(
            numbers, 2, [&](int) -> task<> { (void)co_await child(never, frames); });
    }));
    CHECK(testing::is_stopped([&] {
        return aloft::with_task_group([&](aloft::task_group& group) -> task<> {
            group.spawn([](event& e, std::atomic<int>& f) -> task<> {
                (void)co_await child(e, f);
            }(never, frames));
            co_return;
        });
    }));
    CHECK(testing::is_stopped([&]() -> task<int> {
        auto result = co_await aloft::as_result(child(never, frames));
        if (!result) {
            throw std::system_error(result.error());
        }
        co_return *result;
    }));
    CHECK(testing::is_stopped([&] { return aloft::with_timeout(1h, child(never, frames)); }));
    CHECK(testing::is_stopped([&] {
        return aloft::retry(aloft::retry_options{}, [&] { return child(never, frames); });
    }));
    CHECK(testing::is_stopped([&]() -> task<int> {
        auto numbers = [](event& e, std::atomic<int>& f) -> aloft::async_generator<int> {
            co_yield co_await child(e, f);
        }(never, frames);
        const int* const first = co_await numbers.next();
        co_return first != nullptr ? *first : 0;
    }));
    CHECK(frames.load() == 0);
}

TEST_CASE("when_all_settled keeps the cancellations of its children") {
    event never;
    std::atomic<int> frames{0};
    aloft::runtime rt(workers(1));
    aloft::stop_source source;
    source.request_stop();
    auto all = [&]() -> task<bool> {
        auto [first, second] =
            co_await aloft::when_all_settled(child(never, frames), child(never, frames));
        co_return !first.has_value() && !second.has_value();
    };
    CHECK(sync_wait(rt, aloft::with_stop(source.get_token(), all())));
    CHECK(frames.load() == 0);
}

TEST_CASE("what has been given before a stop request counts") {
    const auto has_value = [](auto make, auto complete) {
        return stopped_behind(make, complete) == end::value;
    };
    event e;
    CHECK(has_value([&] { return e.wait(); }, [&] { e.set(); }));
    aloft::auto_event once_set;
    CHECK(has_value([&] { return once_set.wait(); }, [&] { once_set.set(); }));
    aloft::latch l(1);
    CHECK(has_value([&] { return l.wait(); }, [&] { l.count_down(); }));
    aloft::semaphore permits(0);
    CHECK(has_value([&] { return permits.acquire(); }, [&] { permits.release(); }));
    aloft::mutex m;
    auto held = m.try_lock();
    CHECK(has_value([&] { return m.lock(); }, [&] { held.unlock(); }));
    aloft::shared_mutex sm;
    auto writes = sm.try_lock();
    CHECK(has_value([&] { return sm.lock_shared(); }, [&] { writes.unlock(); }));
    writes = sm.try_lock();
    CHECK(has_value([&] { return sm.lock(); }, [&] { writes.unlock(); }));
    aloft::channel<int> ch(0);
    CHECK(has_value([&] { return ch.recv(); }, [&] { CHECK(ch.try_send(1)); }));
    CHECK(has_value([&] { return ch.send(2); }, [&] { CHECK(ch.try_recv() == 2); }));
    CHECK(has_value([&] { return aloft::select(ch.recv(), aloft::after(1h)); },
                    [&] { CHECK(ch.try_send(3)); }));
    aloft::broadcast_channel<int> news(1);
    auto listens = news.subscribe();
    CHECK(has_value([&] { return listens.recv(); }, [&] { news.send(1); }));
    aloft::watch_channel<int> state(0);
    auto watches = state.subscribe();
    CHECK(has_value([&] { return watches.changed(); }, [&] { state.send(1); }));
    aloft::completion_source<int> source;
    CHECK(has_value([&] { return source.get(); }, [&] { source.set_value(1); }));
    aloft::once o;
    e.reset();
    CHECK(has_value([&] { return o.call([&]() -> task<> { co_await e.wait(); }); },
                    [&] { e.set(); }));
}

TEST_CASE(
    "a value for a subscriber and a stop request race, and it has the value or still gets it") {
    aloft::broadcast_channel<std::size_t> news(4);
    auto listens = news.subscribe();
    std::size_t sent = 0;
    testing::races(
        "broadcast against stop", rounds, [&] { return listens.recv(); },
        [&] { news.send(++sent); },
        [&](bool got) { return got ? !listens.try_recv() : listens.try_recv() == sent; });
    CHECK(listens.missed() == 0);
}

TEST_CASE("a change and a stop request race, and the change is seen once") {
    aloft::watch_channel<std::size_t> state(0);
    auto watches = state.subscribe();
    std::size_t sent = 0;
    testing::races(
        "watch against stop", rounds, [&] { return watches.changed(); },
        [&] { state.send(++sent); }, [&](bool) { return watches.get() == sent; });
}

TEST_CASE("a tick and a stop request race, and ticks are counted in any case") {
    std::optional<aloft::periodic_timer> timer;
    timer.emplace(30us);
    testing::races(
        "tick against stop", rounds, [&] { return timer->tick(); }, [] {},
        [&](bool) {
            timer.emplace(30us);
            return true;
        });
}

TEST_CASE("readers and writers, a hand-over and a stop request race, and the lock is free again") {
    aloft::shared_mutex m;
    auto held = m.try_lock();
    const auto again = [&](bool) {
        held = m.try_lock();
        return held.owns_lock();
    };
    testing::races(
        "reader against stop", rounds, [&] { return m.lock_shared(); }, [&] { held.unlock(); },
        again);
    testing::races(
        "writer against stop", rounds, [&] { return m.lock(); }, [&] { held.unlock(); }, again);
}

TEST_CASE("the end of children and a stop request race, and no frame is left") {
    event e;
    std::atomic<int> frames{0};
    SECTION("when_all") {
        races_event("when_all against stop", e, frames,
                    [&] { return aloft::when_all(child(e, frames), child(e, frames)); });
    }
    SECTION("when_all_settled") {
        races_event("when_all_settled against stop", e, frames, [&]() -> task<> {
            auto [first, second] =
                co_await aloft::when_all_settled(child(e, frames), child(e, frames));
            const auto& failed = first.has_value() ? second : first;
            if (!failed.has_value()) {
                std::rethrow_exception(failed.error());
            }
        });
    }
    SECTION("when_any") {
        races_event("when_any against stop", e, frames,
                    [&] { return aloft::when_any(children(e, frames)); });
    }
    SECTION("when_each") {
        races_event(
            "when_each against stop", e, frames,
            [&]() -> task<> {
                auto each = aloft::when_each(children(e, frames));
                while (auto one = co_await each.next()) {
                    CHECK(one->index < 2);
                }
            },
            false); // what is left of them is stopped, and ends by itself
    }
    SECTION("group") {
        races_event("group against stop", e, frames, [&] {
            return aloft::with_task_group([&](aloft::task_group& group) -> task<> {
                group.spawn([](event& of, std::atomic<int>& f) -> task<> {
                    (void)co_await child(of, f);
                }(e, frames));
                (void)co_await child(e, frames);
            });
        });
    }
    SECTION("parallel_for_each") {
        races_event("parallel_for_each against stop", e, frames, [&]() -> task<> {
            const std::array numbers{1, 2, 3};
            co_await aloft::parallel_for_each(
                numbers, 2, [&](int) -> task<> { (void)co_await child(e, frames); });
        });
    }
    SECTION("async_generator") {
        races_event("async_generator against stop", e, frames, [&]() -> task<> {
            auto numbers = [](event& of, std::atomic<int>& f) -> aloft::async_generator<int> {
                co_yield co_await child(of, f);
            }(e, frames);
            while (co_await numbers.next() != nullptr) {
            }
        });
    }
    SECTION("with_timeout") {
        races_event("with_timeout against stop", e, frames,
                    [&] { return aloft::with_timeout(1h, child(e, frames)); });
    }
}

TEST_CASE("an offloaded call and a stop request race, and it has run or it has not") {
    std::atomic<int> ran{0};
    auto call = [&] { ran.fetch_add(1); };
    testing::races(
        "offload against stop", rounds / 4, [&] { return aloft::offload(call); }, [] {},
        [&](bool got) { return ran.exchange(0) == (got ? 1 : 0); });
}

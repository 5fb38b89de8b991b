// SPDX-License-Identifier: MIT
// Every way in which waiting for a synchronisation primitive ends without what was waited for.
#pragma once

#include "races.hpp"

#include <support/endings.hpp>

#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/yield.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>

namespace testing {

/// With one worker: when it ends, the few tasks that were spawned before have come as far as they can. On a
/// slow machine each of them may begin only in a fairness round, sixteen turns behind the last one.
inline aloft::task<void> settle() {
    for (int turns = 0; turns < 500; ++turns) {
        co_await aloft::yield();
    }
}

/// Awaits it in a task that is stopped already.
template <class Make>
[[nodiscard]] end stopped_before(aloft::runtime& rt, Make make) {
    aloft::stop_source source;
    source.request_stop();
    std::atomic<int> begun{0};
    std::atomic<end> how{end::none};
    aloft::sync_wait(rt, aloft::with_stop(source.get_token(), record(make, begun, how)));
    return how.load();
}

/// Stops it when it waits; on a runtime with one worker.
template <class Make>
[[nodiscard]] end stopped_later(aloft::runtime& rt, Make make) {
    aloft::stop_source source;
    std::atomic<int> begun{0};
    std::atomic<end> how{end::none};
    auto parent = [&]() -> aloft::task<end> {
        auto waits = aloft::spawn(aloft::with_stop(source.get_token(), record(make, begun, how)));
        co_await settle();
        const end before = how.load();
        source.request_stop();
        co_await waits;
        co_return before == end::none ? how.load() : before;
    };
    return aloft::sync_wait(rt, parent());
}

/// Stopped before it begins and while it waits, on one worker.
template <class Make>
[[nodiscard]] bool is_stopped(Make make) {
    aloft::runtime rt(test_support::workers(1));
    return stopped_before(rt, make) == end::canceled && stopped_later(rt, make) == end::canceled;
}

/// `make` gives something that waits for what does not come.
template <class Make>
void gives_up_in_every_way(Make make) {
    {
        aloft::runtime rt(test_support::workers(1));
        CHECK(stopped_before(rt, make) == end::canceled);
        CHECK(stopped_later(rt, make) == end::canceled);
        CHECK(test_support::destroyed_on_its_worker(rt, make));
        CHECK(test_support::destroyed_on_another_thread(rt, make));
    }
    CHECK(test_support::ended_by_destruction(make, 1).canceled());
    CHECK(test_support::ended_by_destruction(make, 2).canceled());
    CHECK(test_support::ended_by_refusal(make).canceled());
}

} // namespace testing

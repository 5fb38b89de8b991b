// SPDX-License-Identifier: MIT
// Every way in which an operation can be made to end, as functions over a maker of the operation.
#pragma once

#include <support/orphan.hpp>
#include <support/wait_until.hpp>

#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace test_support {

/// What became of an operation.
struct ending {
    bool ended = false;
    bool succeeded = false;
    std::error_code code;
    std::string sentence;

    [[nodiscard]] bool canceled() const { return code == std::errc::operation_canceled; }
    [[nodiscard]] bool says(const std::string& part) const {
        return sentence.find(part) != std::string::npos;
    }
};

template <class Make>
aloft::task<void> run_and_record(Make make, std::atomic<int>& begun, ending& result) {
    begun.fetch_add(1);
    try {
        (void)co_await make();
        result.succeeded = true;
    } catch (const std::system_error& error) {
        result.code = error.code();
        result.sentence = error.what();
    }
    result.ended = true;
}

/// One worker means one: where the machine is busy, a spare one would join it now and then.
[[nodiscard]] inline aloft::runtime_options workers(std::size_t count) {
    aloft::runtime_options options;
    options.threads(count);
    if (count == 1) {
        options.spare_workers(0);
    }
    return options;
}

/// Runs it to its end.
template <class Make>
[[nodiscard]] ending ending_of(aloft::runtime& rt, Make make) {
    std::atomic<int> begun{0};
    ending result;
    aloft::sync_wait(rt, run_and_record(std::move(make), begun, result));
    return result;
}

/// Destroys the runtime while it is in flight.
template <class Make>
[[nodiscard]] ending ended_by_destruction(Make make, std::size_t threads = 1) {
    std::atomic<int> begun{0};
    ending result;
    {
        aloft::runtime rt(workers(threads));
        aloft::spawn(rt, run_and_record(std::move(make), begun, result)).detach();
        wait_until([&] { return begun.load() == 1; });
        // A round trip: where there is one worker, the kernel has the operation now.
        aloft::sync_wait(rt, aloft::sleep_for(std::chrono::milliseconds(1)));
    }
    return result;
}

template <class Make>
aloft::task<void> run_after_the_stop(Make make, std::atomic<int>& begun, ending& result) {
    try {
        begun.fetch_add(1);
        co_await aloft::sleep_for(std::chrono::hours(24));
    } catch (const std::system_error&) {
        result.sentence = "the runtime is stopping";
    }
    std::atomic<int> ignored{0};
    co_await run_and_record(std::move(make), ignored, result);
}

/// Begins it when the runtime is stopping already.
template <class Make>
[[nodiscard]] ending ended_by_refusal(Make make) {
    std::atomic<int> begun{0};
    ending result;
    {
        aloft::runtime rt(workers(1));
        aloft::spawn(rt, run_after_the_stop(std::move(make), begun, result)).detach();
        wait_until([&] { return begun.load() == 1; });
    }
    return result;
}

template <class Make>
orphan run_in_orphan(Make make, std::atomic<bool>& ended) {
    try {
        (void)co_await make();
    } catch (const std::system_error&) {
        ended = true;
        co_return;
    }
    ended = true;
}

template <class Make>
aloft::task<void> begin_and_destroy(Make make, std::chrono::milliseconds between,
                                    std::atomic<bool>& ended) {
    orphan frame = run_in_orphan(std::move(make), ended);
    if (between.count() > 0) {
        co_await aloft::sleep_for(between);
    }
    if (!ended) {
        frame.destroy();
    }
}

/// Destroys the frame that awaits it, on the worker that began it: at once, before the kernel has
/// seen the operation, or later. False if the operation had ended before.
template <class Make>
[[nodiscard]] bool
destroyed_on_its_worker(aloft::runtime& rt, Make make,
                        std::chrono::milliseconds between = std::chrono::milliseconds(0)) {
    std::atomic<bool> ended{false};
    aloft::sync_wait(rt, begin_and_destroy(std::move(make), between, ended));
    return !ended;
}

template <class Make>
aloft::task<orphan> begin(Make make, std::atomic<bool>& ended) {
    co_return run_in_orphan(std::move(make), ended);
}

/// Destroys the frame that awaits it on this thread, which is no worker.
template <class Make>
[[nodiscard]] bool destroyed_on_another_thread(aloft::runtime& rt, Make make) {
    std::atomic<bool> ended{false};
    orphan frame = aloft::sync_wait(rt, begin(std::move(make), ended));
    if (ended) {
        return false;
    }
    frame.destroy();
    return !ended;
}

} // namespace test_support

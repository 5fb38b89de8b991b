// SPDX-License-Identifier: MIT
// blocks_aloft <rounds> [<piece>]: what the pieces of structured concurrency cost where nobody waits, on one
// thread.
#include "measure.hpp"

#include <aloft/channel.hpp>
#include <aloft/mutex.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/task_group.hpp>
#include <aloft/when_all.hpp>
#include <aloft/when_any.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>

namespace {

using aloft::task;
using namespace std::chrono_literals;

task<int> ready(int value) {
    co_return value;
}

/// The pieces, `rounds` times each.
struct pieces {
    std::size_t rounds = 0;
    aloft::semaphore permits{1};
    aloft::mutex lock;
    aloft::channel<std::size_t> values{4};

    task<void> await_ready_task() {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < rounds; ++i) {
            sum += static_cast<std::size_t>(co_await ready(1));
        }
        field::must_be(sum == rounds, "tasks");
    }
    task<void> use_semaphore() {
        for (std::size_t i = 0; i < rounds; ++i) {
            co_await permits.acquire();
            permits.release();
        }
    }
    task<void> use_mutex() {
        for (std::size_t i = 0; i < rounds; ++i) {
            const auto guard = co_await lock.lock();
        }
    }
    task<void> use_channel() {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < rounds; ++i) {
            co_await values.send(i);
            const auto value = co_await values.recv();
            sum += *value;
        }
        field::must_be(sum == rounds * (rounds - 1) / 2, "channel");
    }
    task<void> all_of_two() {
        for (std::size_t i = 0; i < rounds; ++i) {
            const auto [a, b] = co_await aloft::when_all(ready(1), ready(2));
            field::must_be(a + b == 3, "when_all");
        }
    }
    task<void> any_of_two() {
        for (std::size_t i = 0; i < rounds; ++i) {
            const auto first = co_await aloft::when_any(ready(1), ready(1));
            field::must_be(first.value == 1, "when_any");
        }
    }
    task<void> group_of_one() {
        for (std::size_t i = 0; i < rounds; ++i) {
            const auto body = [](aloft::task_group& group) -> task<void> {
                group.spawn(ready(1));
                co_return;
            };
            co_await aloft::with_task_group(body);
        }
    }
    task<void> ask_token() {
        const aloft::stop_token token = co_await aloft::this_task::stop_token();
        std::size_t asked = 0;
        for (std::size_t i = 0; i < rounds; ++i) {
            asked += token.stop_requested() ? 0 : 1;
            asm volatile("" ::: "memory"); // each one is asked anew
        }
        field::must_be(asked == rounds, "token");
    }
    task<void> limit_ready_task() {
        for (std::size_t i = 0; i < rounds; ++i) {
            const int value = co_await aloft::with_timeout(1h, ready(1));
            field::must_be(value == 1, "with_timeout");
        }
    }
};

} // namespace

int main(int argc, char** argv) {
    aloft::runtime rt(aloft::runtime_options{}.threads(1).spare_workers(0));
    pieces all;
    all.rounds = field::argument(argc, argv, 1, 1'000'000);
    const struct {
        const char* name;
        task<void> (pieces::*run)();
    } each_piece[] = {
        {"task_ns", &pieces::await_ready_task},   {"semaphore_ns", &pieces::use_semaphore},
        {"mutex_ns", &pieces::use_mutex},         {"channel_ns", &pieces::use_channel},
        {"when_all_ns", &pieces::all_of_two},     {"when_any_ns", &pieces::any_of_two},
        {"group_ns", &pieces::group_of_one},      {"token_ns", &pieces::ask_token},
        {"timeout_ns", &pieces::limit_ready_task}};
    for (const auto& [name, run] : each_piece) {
        if (argc > 2 && std::strcmp(argv[2], name) != 0) {
            continue;
        }
        const double begin = field::seconds_now();
        aloft::sync_wait(rt, (all.*run)());
        field::report(name, (field::seconds_now() - begin) * 1e9 / static_cast<double>(all.rounds));
    }
}

// SPDX-License-Identifier: MIT
// What a worker does beside putting work into its own queues: it wakes others, and shares with them.
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/unhandled_sink.hpp>

#include <catch2/catch_test_macros.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

using aloft::detail::fork;
using aloft::detail::idle_word;
using aloft::detail::local_worker;
using aloft::detail::work_node;

namespace {

/// Counts what is asked of it; runs nothing.
class counting_executor final : public aloft::detail::executor {
public:
    void post(work_node&) noexcept override {}
    void fork_elsewhere(work_node&) noexcept override { ++elsewhere; }
    void post_all(aloft::detail::work_list&&) noexcept override {}
    void wake_for_work() noexcept override { ++wakes; }
    void share_forks() noexcept override { ++shares; }
    void run_blocking(aloft::detail::blocking_call&) noexcept override {}
    void withdraw_blocking(aloft::detail::blocking_call&) noexcept override {}
    void task_started_outside() noexcept override {}
    void task_finished_outside() noexcept override {}
    [[nodiscard]] aloft::detail::sink_pointer sink() const noexcept override { return {}; }

    std::size_t wakes = 0;
    std::size_t shares = 0;
    std::size_t elsewhere = 0;
};

struct bare_worker final : local_worker {
    using local_worker::local_worker;
};

/// This thread as a worker, while others are in the given state.
struct one_worker {
    explicit one_worker(std::uint64_t others)
        : idle(others), here(std::make_unique<bare_worker>(exec, idle)) {
        aloft::detail::thread_local_worker = here.get();
    }
    ~one_worker() { aloft::detail::thread_local_worker = nullptr; }

    void fork_some(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            fork(exec, make(), nullptr);
        }
    }
    work_node& make() {
        nodes.push_back(std::make_unique<work_node>());
        return *nodes.back();
    }

    counting_executor exec;
    aloft::detail::atomic<std::uint64_t> idle;
    std::unique_ptr<bare_worker> here;
    std::vector<std::unique_ptr<work_node>> nodes;
};

} // namespace

TEST_CASE("who has many forks is asked to share them while somebody searches") {
    one_worker w(idle_word::one_searching);
    w.fork_some(local_worker::many_forks - 1);
    CHECK(w.exec.shares == 0);
    w.fork_some(1);
    CHECK(w.exec.shares == 1);
    CHECK(w.exec.wakes == 0);
}

TEST_CASE("who has many forks is asked to share them while somebody sleeps, and wakes them") {
    one_worker w(idle_word::one_sleeping);
    w.fork_some(local_worker::many_forks);
    CHECK(w.exec.shares == 1);
    CHECK(w.exec.wakes == local_worker::many_forks);
}

TEST_CASE("who has many forks keeps them while everybody is busy") {
    one_worker w(idle_word::light);
    w.fork_some(2 * local_worker::many_forks);
    CHECK(w.exec.shares == 0);
    CHECK(w.exec.wakes == 0);
}

TEST_CASE("what thieves have taken does not count as a fork that could be shared") {
    one_worker w(idle_word::one_searching);
    w.fork_some(local_worker::many_forks - 1);
    for (std::size_t i = 1; i < local_worker::many_forks; ++i) {
        CHECK(w.here->forks.steal() != nullptr);
    }
    w.fork_some(local_worker::many_forks - 1);
    CHECK(w.exec.shares == 0);
    w.fork_some(1);
    CHECK(w.exec.shares == 1);
}

TEST_CASE(
    "what is forked together wakes others once, and what is too much for that once per batch") {
    one_worker w(idle_word::one_sleeping);
    const auto next = [&w]() -> work_node& { return w.make(); };
    bool apart = false;
    const auto note = [&apart] {
        apart = true;
        return std::coroutine_handle<>();
    };
    const std::coroutine_handle<> then = std::noop_coroutine();
    constexpr std::size_t few = local_worker::fork_batch;
    CHECK(aloft::detail::fork_few(&w.exec, few, nullptr, next, then, note) == then);
    CHECK_FALSE(apart);
    CHECK(w.exec.wakes == 1);
    CHECK(aloft::detail::fork_few(&w.exec, few + 1, nullptr, next, then, note) == nullptr);
    CHECK(apart);
    CHECK(w.exec.wakes == 1);
    CHECK(w.nodes.size() == few);
    aloft::detail::fork_all(&w.exec, 2 * few + 1, nullptr, next);
    CHECK(w.exec.wakes == 4);
    CHECK(w.exec.elsewhere == 0);
    for (std::size_t i = w.nodes.size(); i > 0; --i) {
        CHECK(w.here->pop_fork() == w.nodes[i - 1].get());
    }
    CHECK(w.here->pop_fork() == nullptr);
}

TEST_CASE("what is forked together goes where each of it would: elsewhere, where this is no worker "
          "of it") {
    one_worker w(0);
    counting_executor other;
    const auto next = [&w]() -> work_node& { return w.make(); };
    bool apart = false;
    const auto note = [&apart] {
        apart = true;
        return std::coroutine_handle<>();
    };
    CHECK(aloft::detail::fork_few(&other, 1, nullptr, next, std::noop_coroutine(), note) ==
          nullptr);
    CHECK(apart);
    CHECK(w.nodes.empty());
    aloft::detail::fork_all(&other, 3, nullptr, next);
    CHECK(other.elsewhere == 3);
    CHECK(w.here->pop_fork() == nullptr);
}

TEST_CASE("what is forked together and does not fit into the deque goes elsewhere one by one") {
    one_worker w(0);
    w.fork_some(aloft::detail::deque_capacity - 1);
    const auto next = [&w]() -> work_node& { return w.make(); };
    aloft::detail::fork_all(&w.exec, 3, nullptr, next);
    CHECK(w.exec.elsewhere == 2);
    CHECK(w.nodes.size() == aloft::detail::deque_capacity + 2);
    CHECK(w.here->pop_fork() == w.nodes[aloft::detail::deque_capacity - 1].get());
}

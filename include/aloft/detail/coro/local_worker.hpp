// SPDX-License-Identifier: MIT
// What the coroutine layer uses of the worker that it runs on, without a virtual call: its queues.
// Layer: L1 coro
//
// Forking, joining, spawning and yielding are a few stores into the worker's own queues. The
// runtime's worker derives from local_worker; on every other thread there is none.
//
// 1. Everything here is used by the worker's own thread, except what the queues and the counters
//    offer to others, and cut_direct_runs(), which is the watcher's. The owner spends direct runs without
//    a read-modify-write, so a cut may be lost; the next round of the watcher repeats it.
// 2. Whoever makes work visible in a queue calls published() afterwards. That is the pusher's half
//    of the sleep protocol (detail/runtime/idle.hpp): a fence between the queue and the word that
//    says whether somebody sleeps.
// 3. thread_local storage is reached only inside functions that are not inlined where a compiler
//    might keep its address across a suspension that changes threads (config.hpp, 5).
// 4. wake() is the exception from 2. Two tasks that hand over to each other run a few tens of
//    nanoseconds at a time; waking another worker for each hand-over would cost a hundred times
//    that. So where the runs on this worker have been short, and it has nothing else to do, nobody
//    is woken for the one task that it will find as soon as the running one suspends. Searchers,
//    and workers that are about to sleep, see it. If the running task goes on for long this time,
//    the watcher wakes somebody (watcher.hpp).
// 5. Others steal forks one by one, which costs both sides several cache misses each. So who has many
//    forks moves the oldest of them to where others take as many at once as they like, while somebody
//    searches or sleeps or has done so lately, that is, while fences are not light.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/cacheline.hpp>
#include <aloft/detail/base/deque.hpp>
#include <aloft/detail/base/run_queue.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/transfer.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

/// Tasks that started and tasks that ended, as seen at one place. Both only grow.
struct alignas(cacheline_bytes) task_count {
    atomic<std::uint64_t> started{0};
    atomic<std::uint64_t> ended{0};
};

/// How many workers search and how many sleep, in one word, and which fences may be light (idle.hpp).
struct idle_word {
    static constexpr std::uint64_t one_sleeping = 1;
    static constexpr unsigned light_bit = 29;
    static constexpr std::uint64_t light_pops = std::uint64_t{1} << light_bit;
    static constexpr std::uint64_t light_fences = light_pops << 1;
    static constexpr std::uint64_t one_searching = std::uint64_t{1} << 32;
    /// Nobody searches or sleeps, and all is light. An operand of one instruction.
    static constexpr std::uint64_t light = light_fences | light_pops;

    [[nodiscard]] static constexpr std::uint64_t searching(std::uint64_t word) noexcept {
        return word >> 32;
    }
    [[nodiscard]] static constexpr std::uint64_t sleeping(std::uint64_t word) noexcept {
        return word & (light_pops - 1);
    }
    /// Nobody searches, and those who will see to it that they miss nothing.
    [[nodiscard]] static constexpr bool pops_are_light(std::uint64_t word) noexcept {
        return (word >> light_bit | 2) == 3; // whether fences are light does not matter
    }
    /// Somebody sleeps and nobody searches: whoever makes work visible has to wake one.
    [[nodiscard]] static constexpr bool calls_for_wake(std::uint64_t word) noexcept {
        return sleeping(word) > 0 && searching(word) == 0;
    }
};

struct local_worker {
    explicit local_worker(executor& owner, const atomic<std::uint64_t>& idle) noexcept
        : exec(&owner), idle_state(&idle) {}
    local_worker(const local_worker&) = delete;
    local_worker& operator=(const local_worker&) = delete;

    ALOFT_ALWAYS_INLINE void published() noexcept {
        if (!fence_lightly()) [[unlikely]] {
            wake_if_called_for();
        }
    }

    /// The same for `forks`. Somebody may be waiting for more than one of them: see 5.
    ALOFT_ALWAYS_INLINE void published_fork() noexcept {
        if (!fence_lightly()) [[unlikely]] {
            (void)published_heavily({});
        }
    }

    /// published_fork() behind its fence. Gives `then`.
    ALOFT_NOINLINE std::coroutine_handle<>
    published_heavily(std::coroutine_handle<> then) noexcept {
        wake_if_called_for();
        if (forks.has_at_least(many_forks)) {
            exec->share_forks();
        }
        return then;
    }

    /// The owner's side of the fences with searchers and sleepers: between a queue and idle_state,
    /// and between the two ends of `forks`. True: it was a light one, because nobody searches or
    /// sleeps.
    ALOFT_ALWAYS_INLINE bool fence_lightly() const noexcept {
        light_fence(); // what was written before against idle_state: idle.hpp, 5
        if (idle_state->load(memory_order_relaxed) == idle_word::light) [[likely]] {
            return true;
        }
        full_fence();
        return false;
    }

    [[nodiscard]] ALOFT_ALWAYS_INLINE work_node* pop_fork() noexcept {
        return forks.pop([this] { fence_lightly(); });
    }
    [[nodiscard]] ALOFT_ALWAYS_INLINE work_node* pop_fork(const void* tag) noexcept {
        return forks.pop_tagged(tag, [this] { fence_lightly(); });
    }

    [[nodiscard]] ALOFT_ALWAYS_INLINE work_node* pop_ready() noexcept {
        return ready.pop([this] {
            light_fence(); // the claim against idle_state: idle.hpp, 6
            // order(idle.state): acquire; what those who searched before have taken
            return idle_word::pops_are_light(idle_state->load(memory_order_acquire));
        });
    }

    /// Whether one more coroutine may be run right away. If there is none, it is to be given back. A
    /// child that goes on where its sibling ended costs one direct run, what anybody else resumes
    /// costs as many as a look of the scheduler.
    [[nodiscard]] ALOFT_ALWAYS_INLINE bool spend_direct_run(std::int32_t price = 1) noexcept {
        const std::int32_t left = direct_runs_.load(memory_order_relaxed) - price;
        if (left < 0) [[unlikely]] {
            return false;
        }
        direct_runs_.store(left, memory_order_relaxed);
        return true;
    }
    ALOFT_ALWAYS_INLINE void return_direct_run() noexcept {
        direct_runs_.store(direct_runs_.load(memory_order_relaxed) + 1, memory_order_relaxed);
    }
    void allow_direct_runs(std::int32_t count) noexcept {
        direct_runs_.store(count, memory_order_relaxed);
    }
    [[nodiscard]] std::int32_t direct_runs() const noexcept {
        return direct_runs_.load(memory_order_relaxed);
    }

    /// The watcher: the scheduler is to have a look. In vain if the owner spends one at this moment.
    void cut_direct_runs() noexcept { direct_runs_.store(-1, memory_order_relaxed); }

    static constexpr std::int32_t direct_runs_of_look = 4;
    static constexpr std::size_t many_forks = deque_capacity < 16 ? 2 : deque_capacity / 8;
    static constexpr std::size_t fork_batch = many_forks / 2; // others get to see so many at once

    executor* const exec;
    const atomic<std::uint64_t>* const idle_state;

private:
    /// How many more coroutines may be run one after the other before the scheduler has a look.
    atomic<std::int32_t> direct_runs_{0}; // below 0: cut

public:
    /// What has run here lately took less time than waking another worker and moving there takes.
    bool runs_are_short = false;
    deque forks;
    run_queue ready;
    task_count tasks;

protected:
    ~local_worker() = default;

private:
    ALOFT_ALWAYS_INLINE void wake_if_called_for() const noexcept {
        if (idle_word::calls_for_wake(idle_state->load(memory_order_relaxed))) {
            exec->wake_for_work();
        }
    }
};

constinit inline thread_local local_worker* thread_local_worker = nullptr;

/// Only the worker itself writes its counters: no read-modify-write is needed.
inline void count_one(atomic<std::uint64_t>& counter) noexcept {
    // order(task_count): release; paired with the sums in worker::terminate_if_done
    counter.store(counter.load(memory_order_relaxed) + 1, memory_order_release);
}

/// Makes a coroutine runnable, before what was forked earlier, where others can steal it. `tag` is
/// what deque::pop_tagged asks for.
ALOFT_THREAD_LOCAL_INLINE void fork(executor& exec, work_node& node, const void* tag) noexcept {
    local_worker* const here = thread_local_worker;
    if (here == nullptr || here->exec != &exec || !here->forks.push(node, tag)) [[unlikely]] {
        exec.fork_elsewhere(node);
        return;
    }
    here->published_fork();
}

/// The same for `count` coroutines that next() gives, with one fence for all of them; gives `then`.
/// Unless they are too many, or this is no worker of that executor, or its deque has no room: then
/// next() has not been called, and it gives what apart() does. For functions that are not inlined, see
/// 3; in there whatever is not usual is called at the end, so that nothing has to be saved for it.
template <class Next, class Apart>
[[nodiscard]] ALOFT_ALWAYS_INLINE std::coroutine_handle<>
fork_few(const executor* exec, std::size_t count, const void* tag, Next&& next,
         std::coroutine_handle<> then, Apart&& apart) noexcept {
    local_worker* const here = thread_local_worker;
    if (here == nullptr || here->exec != exec || count > local_worker::fork_batch ||
        !here->forks.push_all(count, tag, next)) [[unlikely]] {
        return apart();
    }
    if (!here->fence_lightly()) [[unlikely]] {
        return here->published_heavily(then);
    }
    return then;
}

/// fork_few() for any number, anywhere. Without an executor they are run here.
template <class Next>
void fork_all(executor* exec, std::size_t count, const void* tag, Next&& next) noexcept {
    if (exec == nullptr) {
        for (; count > 0; --count) {
            resume_chain(next().coroutine);
        }
        return;
    }
    local_worker* const here = thread_local_worker;
    const bool at_home = here != nullptr && here->exec == exec;
    while (count > 0) {
        std::size_t batch = count < local_worker::fork_batch ? count : local_worker::fork_batch;
        count -= batch;
        if (at_home && here->forks.push_all(batch, tag, next)) [[likely]] {
            here->published_fork();
            continue;
        }
        for (; batch > 0; --batch) {
            fork(*exec, next(), tag);
        }
    }
}

/// Counts a task that the runtime has to join, and forks it.
ALOFT_NOINLINE inline void fork_root(executor& exec, work_node& node) noexcept {
    local_worker* const here = thread_local_worker;
    if (here == nullptr || here->exec != &exec) [[unlikely]] {
        exec.task_started_outside();
        exec.fork_elsewhere(node);
        return;
    }
    count_one(here->tasks.started);
    if (here->forks.push(node)) [[likely]] {
        here->published_fork();
    } else {
        exec.fork_elsewhere(node);
    }
}

ALOFT_NOINLINE inline void count_started(executor& exec) noexcept {
    local_worker* const here = thread_local_worker;
    if (here != nullptr && here->exec == &exec) [[likely]] {
        count_one(here->tasks.started);
    } else {
        exec.task_started_outside();
    }
}

ALOFT_THREAD_LOCAL_INLINE void count_ended(executor& exec) noexcept {
    local_worker* const here = thread_local_worker;
    if (here != nullptr && here->exec == &exec) [[likely]] {
        count_one(here->tasks.ended);
    } else {
        exec.task_finished_outside();
    }
}

/// Makes a coroutine runnable behind what is runnable already, from any thread: executor::post with
/// nothing virtual in it on the executor's own workers.
ALOFT_NOINLINE inline void make_ready(executor& exec, work_node& node) noexcept {
    local_worker* const here = thread_local_worker;
    if (here == nullptr || here->exec != &exec || !here->ready.push(node)) [[unlikely]] {
        exec.post(node);
        return;
    }
    here->published();
}

/// The same for a coroutine that has got what it waited for: see 4.
ALOFT_NOINLINE inline void wake(executor& exec, work_node& node) noexcept {
    local_worker* const here = thread_local_worker;
    if (here == nullptr || here->exec != &exec) {
        exec.post(node);
        return;
    }
    const bool runs_next = here->runs_are_short && here->ready.empty() && here->forks.empty();
    if (!here->ready.push(node)) [[unlikely]] {
        exec.post(node);
    } else if (!runs_next) {
        here->published();
    }
}

/// Puts a coroutine that suspends right behind this call behind what is runnable. Nobody is woken:
/// this worker looks itself.
ALOFT_NOINLINE inline void reschedule(executor& exec, work_node& node) noexcept {
    local_worker* const here = thread_local_worker;
    if (here == nullptr || here->exec != &exec || !here->ready.push(node)) [[unlikely]] {
        exec.post(node);
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

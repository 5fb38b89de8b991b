// SPDX-License-Identifier: MIT
// Who destroys a spawned task's frame, and who is told that it ended.
// Layer: L1 coro
//
// The state is the promise's `owner`:
//
//   unawaited --join--> waiter     --end--> done (the waiter is resumed; its handle owns the frame)
//   unawaited --end---> done       (the handle owns the frame)
//   unawaited --drop--> detached   --end--> frame destroyed by the ending thread
//   waiter    --leave-> unawaited  (the joining frame is destroyed while it waits, or was stopped)
//
// 1. `end` is one exchange by the thread on which the task ended, when the coroutine is suspended
//    at its end; `join`, `drop` and `leave` are compare-exchanges by the owner of the handle.
// 2. Before `end` the frame belongs to the running task. After it, to the handle, or in the
//    detached state to the ending thread. Exactly one side destroys it, because exactly one of
//    `end` and `drop` comes second and sees the other.
// 3. The waiter lives in the joining awaiter and is resumed once, by the exchange that took it out.
// 4. Where the joining task can be stopped, the stop request is a third party. It and `join` hold the
//    waiter's lock: a request that comes first makes `join` refuse, one that comes later finds the
//    waiter in place and leaves on its behalf. `end` passes through the lock before it resumes such
//    a waiter, so that nobody is inside.
#pragma once

#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/task.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

struct join_waiter : work_node {
    executor* exec = nullptr;
    bool stoppable = false;
    bool stopped = false; // under the lock, until the waiter is resumed
    spin_lock lock;
};

enum class join_answer : unsigned char { waiting, already_done, stopped };
enum class drop_answer : bool { left_running, already_done };

class join_state {
public:
    static constexpr void* unawaited() noexcept { return nullptr; }
    static void* detached() noexcept { return mark(1); }
    static void* done() noexcept { return mark(2); }

    [[nodiscard]] static bool is_done(const promise_base& p) noexcept {
        // order(join.owner): acquire; the task's result becomes visible
        return p.owner.load(std::memory_order_acquire) == done();
    }

    [[nodiscard]] static join_answer join(promise_base& p, join_waiter& waiter) noexcept {
        if (waiter.stoppable) {
            waiter.lock.lock();
            if (waiter.stopped) {
                waiter.lock.unlock();
                return join_answer::stopped;
            }
        }
        const bool stoppable = waiter.stoppable;
        void* expected = unawaited();
        // order(join.owner): release; the waiter's fields become visible to the ending thread
        // order(join.owner): acquire; on failure the task's result becomes visible
        if (p.owner.compare_exchange_strong(expected, &waiter, std::memory_order_release,
                                            std::memory_order_acquire)) {
            if (stoppable) {
                waiter.lock.unlock(); // the ending thread waits for this
            }
            return join_answer::waiting; // PUBLISHED
        }
        if (stoppable) {
            waiter.lock.unlock();
        }
        require(expected == done(), "a join_handle was awaited by two coroutines");
        return join_answer::already_done;
    }

    /// A stop request. True: the waiter has left, and the caller resumes it.
    [[nodiscard]] static bool stop_waiting(promise_base& p, join_waiter& waiter) noexcept {
        const spin_guard guard(waiter.lock);
        void* expected = &waiter;
        if (p.owner.load(std::memory_order_relaxed) == done()) {
            return false; // the waiter is or will be resumed, or `join` finds it so
        }
        waiter.stopped = true;
        if (p.owner.compare_exchange_strong(expected, unawaited(), std::memory_order_acquire)) {
            return true;
        }
        waiter.stopped = expected == unawaited(); // else it ended just now
        return false;
    }

    static void leave(promise_base& p, join_waiter& waiter) noexcept {
        void* expected = &waiter;
        require(
            p.owner.compare_exchange_strong(expected, unawaited(), std::memory_order_acquire),
            "a frame was destroyed after the task it joins had ended and before it was resumed");
    }

    [[nodiscard]] static drop_answer drop(promise_base& p) noexcept {
        void* expected = unawaited();
        // order(join.owner): acq_rel; either side may be the one that destroys the frame
        if (p.owner.compare_exchange_strong(expected, detached(), std::memory_order_acq_rel,
                                            std::memory_order_acquire)) {
            return drop_answer::left_running;
        }
        require(expected == done(), "a join_handle was dropped while it was being awaited");
        return drop_answer::already_done;
    }

    /// The hook of a spawned task.
    template <class T>
    static std::coroutine_handle<> ended(promise_base& p) noexcept {
        executor* const exec = p.env->exec;
        auto& ending = static_cast<promise<T>&>(p);
        if (ending.result.failed()) [[unlikely]] {
            if (failure_record* const record = ending.result.failure().record()) {
                record->sink = exec->sink();
            }
        }
        // order(join.owner): acq_rel; the result becomes visible to the joiner, the waiter to us
        void* const before = p.owner.exchange(done(), std::memory_order_acq_rel);
        std::coroutine_handle<> next = std::noop_coroutine();
        if (before == detached()) {
            report_uncollected(ending);
            p.coroutine.destroy();
        } else if (before != unawaited()) { // PUBLISHED in both remaining cases
            auto* const waiter = static_cast<join_waiter*>(before);
            if (waiter->stoppable) [[unlikely]] {
                const spin_guard nobody_inside(waiter->lock);
            }
            if (waiter->exec == exec || waiter->exec == nullptr) {
                next = waiter->coroutine;
            } else {
                waiter->exec->post(*waiter);
            }
        }
        count_ended(*exec);
        return next;
    }

    /// Hands an exception that nobody has collected to the runtime.
    template <class T>
    static void report_uncollected(promise<T>& p) noexcept {
        if (!p.result.failed()) {
            return;
        }
        failure_record* const record = p.result.failure().record();
        require(record != nullptr && record->sink,
                "nobody collected an exception, and there was no memory to note whose it is");
        if (std::exception_ptr error = p.result.failure().take()) {
            record->sink->report(std::move(error), record->coroutine_name);
        }
    }

private:
    static void* mark(std::uintptr_t n) noexcept {
        return reinterpret_cast<void*>(n); // no node has such an address
    }
};

} // namespace aloft::inline ALOFT_ABI::detail

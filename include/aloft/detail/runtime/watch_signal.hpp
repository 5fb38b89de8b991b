// SPDX-License-Identifier: MIT
// How the watcher sleeps, and how a worker that begins to run wakes it.
// Layer: L3 runtime
//
//   ticking --sleep, every worker sleeps--> asleep --worker_runs, time over--> ticking
//   ticking, asleep --stop--> stopped
//
// 1. The watcher is never asleep without a limit while a worker runs: it writes asleep_ and then
//    asks whether every worker sleeps; a worker that leaves its sleep changes the idle state and
//    then reads asleep_. One of the two sees the other (Dekker; both seq_cst).
// 2. asleep_ is cleared, and stopped_ set, under the mutex under which the watcher waits: no
//    wake-up falls between its check and its wait.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/lean_chrono.hpp>
#include <aloft/detail/reactor/reactor.hpp>

#include <condition_variable>
#include <mutex>

namespace aloft::inline ALOFT_ABI::detail {

class watch_signal {
public:
    /// A worker, after it left its sleep.
    void worker_runs() noexcept {
        // order(watch.asleep): acquire; seq_cst: the idle state against asleep_, see 1
        if (asleep_.load(std::memory_order_seq_cst)) [[unlikely]] {
            const std::scoped_lock lock(mutex_);
            asleep_.store(false, std::memory_order_relaxed);
            changed_.notify_one();
        }
    }

    void stop() noexcept {
        const std::scoped_lock lock(mutex_);
        stopped_ = true;
        changed_.notify_one();
    }

    /// The watcher: waits that long. False: stopped.
    [[nodiscard]] bool pause(clock_ns duration) noexcept {
        std::unique_lock lock(mutex_);
        return !changed_.wait_for(lock, std::chrono::nanoseconds(duration),
                                  [this] { return stopped_; });
    }

    /// The watcher: waits until a worker runs, or until the time is over, if everybody_sleeps() says
    /// that none does. False: stopped.
    template <class Check>
    [[nodiscard]] bool sleep(Check&& everybody_sleeps, clock_ns most) noexcept {
        std::unique_lock lock(mutex_);
        // order(watch.asleep): release; seq_cst: asleep_ against the idle state, see 1
        asleep_.store(true, std::memory_order_seq_cst);
        if (!everybody_sleeps()) {
            asleep_.store(false, std::memory_order_relaxed);
            return !stopped_;
        }
        const auto wanted = [this] { return stopped_ || !asleep_.load(std::memory_order_relaxed); };
        if (most == no_deadline) {
            changed_.wait(lock, wanted);
        } else {
            changed_.wait_for(lock, std::chrono::nanoseconds(most), wanted);
        }
        asleep_.store(false, std::memory_order_relaxed);
        return !stopped_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopped_ = false;
    atomic<bool> asleep_{false};
};

} // namespace aloft::inline ALOFT_ABI::detail

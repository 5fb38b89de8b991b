// SPDX-License-Identifier: MIT
// How the watcher sleeps, and how a worker that begins to run wakes it.
// Layer: L3 runtime
//
//   ticking --sleep, every worker sleeps--> asleep --worker_runs, time over--> ticking
//   ticking, asleep --stop--> stopped
//
// 1. The watcher is never asleep without a limit while a worker runs: it makes the state asleep and
//    then asks whether every worker sleeps; a worker that leaves its sleep changes the idle state and
//    then reads the state here. One of the two sees the other (Dekker; both seq_cst).
// 2. Each change that ends a wait is made before the watcher is woken, so wait_word.hpp, 1 holds. From
//    stopped there is no way back, because every other change is one from a named state.
#pragma once

#include <aloft/detail/reactor/wait_word.hpp>

#include <atomic>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

class watch_signal {
public:
    /// A worker, after it left its sleep.
    void worker_runs() noexcept {
        // order(watch.state): acquire; seq_cst: the idle state against the state here, see 1
        if (state_.value.load(std::memory_order_seq_cst) == asleep) [[unlikely]] {
            if (change(asleep, ticking)) {
                state_.wake();
            }
        }
    }

    void stop() noexcept {
        state_.value.store(stopped, std::memory_order_seq_cst);
        state_.wake();
    }

    /// The watcher: waits that long, or shorter. False: stopped.
    [[nodiscard]] bool pause(clock_ns duration) noexcept {
        state_.wait(ticking, duration);
        return goes_on();
    }

    /// The watcher: waits until a worker runs, or until the time is over, if everybody_sleeps() says
    /// that none does. False: stopped.
    template <class Check>
    [[nodiscard]] bool sleep(Check&& everybody_sleeps, clock_ns most) noexcept {
        // order(watch.state): release; seq_cst: the state here against the idle state, see 1
        if (change(ticking, asleep)) {
            if (everybody_sleeps()) {
                state_.wait(asleep, most);
            }
            (void)change(asleep, ticking);
        }
        return goes_on();
    }

private:
    static constexpr std::uint32_t ticking = 0;
    static constexpr std::uint32_t asleep = 1;
    static constexpr std::uint32_t stopped = 2;

    [[nodiscard]] bool change(std::uint32_t from, std::uint32_t to) noexcept {
        return state_.value.compare_exchange_strong(from, to, std::memory_order_seq_cst);
    }

    [[nodiscard]] bool goes_on() const noexcept {
        return state_.value.load(std::memory_order_relaxed) != stopped;
    }

    wait_word state_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// A lock for critical sections of some tens of nanoseconds that hardly ever meet.
// Layer: L0 base
//
// States: free, held. Whoever turned free into held may turn it back. After a bounded spin a
// waiter yields its time slice, because on an oversubscribed machine the holder may be preempted.
#pragma once

#include <aloft/detail/base/atomic.hpp>

#include <thread>

namespace aloft::inline ALOFT_ABI::detail {

class spin_lock {
public:
    [[nodiscard]] bool try_lock() noexcept {
        // order(spin_lock.held): acquire; what the previous holder wrote becomes visible
        return !held_.load(std::memory_order_relaxed) &&
               !held_.exchange(true, std::memory_order_acquire);
    }

    void lock() noexcept {
        int spins = 0;
        while (!try_lock()) {
            if (++spins < 64) {
                spin_pause();
            } else {
                std::this_thread::yield();
            }
        }
    }

    void unlock() noexcept {
        // order(spin_lock.held): release; the holder's writes become visible to the next one
        held_.store(false, std::memory_order_release);
    }

private:
    atomic<bool> held_{false};
};

} // namespace aloft::inline ALOFT_ABI::detail

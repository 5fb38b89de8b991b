// SPDX-License-Identifier: MIT
// Who goes on with an operation whose answer may come before the call that starts it has returned.
// Layer: L2 reactor
//
// Three may meet at one operation: the starter, on its way back from the system call; the reaper, who
// takes the answer; and any number of cancellers. No operating system is needed to state or to test it.
//
// 1. The record stays until both the starter has returned and the answer has come: of the two, the
//    one that comes second finishes the operation, and the first does not touch it any more.
// 2. A cancellation has an effect only on what the system knows already. So a canceller that finds
//    the starter still under way leaves a mark, and the starter, before it lets the record go, makes
//    the cancellation. The mark and the return are bits of one word: no cancellation falls between.
// 3. The caller of want_cancel() sees to it that the record stays for as long as it uses it.
#pragma once

#include <aloft/detail/base/atomic.hpp>

#include <atomic>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

class start_handoff {
public:
    /// Before the call.
    void begin() noexcept { steps_.store(0, std::memory_order_relaxed); }

    /// The starter, behind the call. `cancel` is called if somebody wanted it meanwhile. True: the
    /// answer is there already, and the starter finishes the operation. False: PUBLISHED.
    template <class Cancel>
    [[nodiscard]] bool call_returned(Cancel&& cancel) noexcept {
        bool canceled = false;
        std::uint8_t seen = steps_.load(std::memory_order_relaxed);
        for (;;) {
            if ((seen & cancel_wanted) != 0 && !canceled) {
                canceled = true;
                cancel();
            }
            // order(start_handoff.steps): acq_rel; the second of the two sees what the first wrote
            if (steps_.compare_exchange_weak(seen, seen | returned, std::memory_order_acq_rel,
                                             std::memory_order_relaxed)) {
                return (seen & answered) != 0;
            }
        }
    }

    /// The reaper. True: it finishes the operation. False: the starter does. PUBLISHED
    [[nodiscard]] bool answer_came() noexcept {
        // order(start_handoff.steps): acq_rel; the second of the two sees what the first wrote
        return (steps_.fetch_or(answered, std::memory_order_acq_rel) & returned) != 0;
    }

    /// A canceller. True: it makes the cancellation. False: the starter does.
    [[nodiscard]] bool want_cancel() noexcept {
        // order(start_handoff.steps): acq_rel; the call has been made, as far as we see its return
        return (steps_.fetch_or(cancel_wanted, std::memory_order_acq_rel) & returned) != 0;
    }

private:
    static constexpr std::uint8_t returned = 1;
    static constexpr std::uint8_t answered = 2;
    static constexpr std::uint8_t cancel_wanted = 4;

    atomic<std::uint8_t> steps_{0};
};

} // namespace aloft::inline ALOFT_ABI::detail

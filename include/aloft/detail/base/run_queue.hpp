// SPDX-License-Identifier: MIT
// A worker's queue of what became ready: first in, first out; other workers take half of it at
// once.
// Layer: L0 base
//
// A ring of fixed capacity. Indexes count up for ever. The items are [head, tail_), where head is
// the greater one of claimed_ and of the end that is in taken_.
//
//   pushed --the owner claims it--> claimed --alone, or faster than thieves--> the owner's
//                                           --a thief was faster-------------> the thief's
//   pushed --a thief takes it-----> the thief's
//
// 1. tail_ and claimed_ are written by the owner only; a slot is written before tail_ is released.
// 2. taken_ holds an index, the end, and a run: how many items right before the end have been taken
//    through it without a gap. A thief moves it by a compare-exchange, after it read the slots: whoever
//    succeeds owns the items from the head that it saw to the new end. If that head was claimed_, beyond
//    the old end, there is a gap before it, and the run begins anew.
// 3. The owner claims item h by storing h + 1 in claimed_, and then asks whether it is alone. It is told
//    so only if no thief can have missed the claim: each is counted where the answer comes from, and has
//    passed a heavy fence, before it looks at claimed_ (idle.hpp, 6). If, behind that, taken_ is what it
//    was before, item h is the owner's: what thieves had taken earlier the owner has seen, and those
//    to come see the claim. So where nobody steals, the owner's pop costs no read-modify-write.
// 4. Otherwise a thief may have missed the claim. The owner moves the end to h + 1, as a thief would; if
//    that succeeds, whoever has an older view fails. If the end is beyond h already, the run tells whose
//    item h is: a thief that missed the claim took h, and the run reaches back to it; one that saw the
//    claim began behind h, there is a gap, and those that come later only make the run longer. The run
//    is counted to the capacity, further back no claim can be.
// 5. A slot is overwritten only when head has passed it: push acquires taken_. A thief that read a slot
//    that was overwritten meanwhile fails: the owner was not alone, so that taken_ was moved.
// 6. The end has 55 bits and does not come round, which at 10^8 items a second takes ten years.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/cacheline.hpp>
#include <aloft/detail/base/work_node.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

inline constexpr std::size_t run_queue_capacity =
    ALOFT_SMALL_QUEUES ? 8u >> ALOFT_SMALL_QUEUES : 256;

class run_queue {
public:
    /// Owner. False if the queue is full.
    [[nodiscard]] bool push(work_node& node) noexcept {
        const std::uint64_t tail = tail_.load(memory_order_relaxed);
        // order(run_queue.taken): acquire; the slot has been read and may be overwritten
        if (tail - head(taken_.load(memory_order_acquire)) >= run_queue_capacity) {
            return false;
        }
        slot(tail).store(&node, memory_order_relaxed);
        // order(run_queue.tail): release; the slot and the node become visible
        tail_.store(tail + 1, memory_order_release);
        return true;
    }

    /// Owner: the oldest item, or nullptr. alone(): 3.
    template <class Alone>
    [[nodiscard]] ALOFT_ALWAYS_INLINE work_node* pop(Alone&& alone) noexcept {
        const std::uint64_t taken = taken_.load(memory_order_relaxed);
        const std::uint64_t oldest = head(taken);
        if (oldest >= tail_.load(memory_order_relaxed)) {
            return nullptr;
        }
        claimed_.store(oldest + 1, memory_order_relaxed); // the fences of 3 order it
        // The second look comes behind alone(), which acquires.
        if (!alone() || taken_.load(memory_order_relaxed) != taken) [[unlikely]] {
            return settle(oldest);
        }
        return slot(oldest).load(memory_order_relaxed);
    }

    /// Owner, whether it is alone or not.
    [[nodiscard]] work_node* pop() noexcept {
        return pop([] { return false; });
    }

    /// Any other thread, which counts as a searcher, into a queue that it owns: moves about half of this
    /// one. Gives one item to run now, or nullptr.
    [[nodiscard]] work_node* steal_half(run_queue& mine) noexcept {
        std::uint64_t taken = taken_.load(memory_order_relaxed);
        for (;;) {
            const std::uint64_t oldest = head(taken);
            // order(run_queue.tail): acquire; the slots and the nodes become visible
            const std::uint64_t tail = tail_.load(memory_order_acquire);
            if (oldest >= tail) {
                return nullptr;
            }
            const std::uint64_t my_tail = mine.tail_.load(memory_order_relaxed);
            // order(run_queue.taken): acquire; our own slots have been read by thieves
            const std::uint64_t room =
                run_queue_capacity - (my_tail - mine.head(mine.taken_.load(memory_order_acquire)));
            // An old head makes it look fuller than it can be; then the exchange below fails.
            const std::uint64_t seen =
                tail - oldest < run_queue_capacity ? tail - oldest : run_queue_capacity;
            const std::uint64_t more = (seen - 1) / 2 < room ? (seen - 1) / 2 : room;
            for (std::uint64_t i = 0; i < more; ++i) {
                mine.slot(my_tail + i)
                    .store(slot(oldest + 1 + i).load(memory_order_relaxed), memory_order_relaxed);
            }
            work_node* const first = slot(oldest).load(memory_order_relaxed);
            const std::uint64_t run = oldest > end_of(taken) ? 0 : run_of(taken);
            // order(run_queue.taken): release; the slots have been read and may be overwritten
            if (taken_.compare_exchange_weak(taken, word(oldest + 1 + more, run + 1 + more),
                                             memory_order_release, memory_order_relaxed)) {
                // order(run_queue.tail): release; what was moved becomes visible in our queue
                mine.tail_.store(my_tail + more, memory_order_release);
                return first;
            }
        }
    }

    /// A hint for threads other than the owner.
    [[nodiscard]] bool empty() const noexcept {
        return head(taken_.load(memory_order_relaxed)) >= tail_.load(memory_order_relaxed);
    }

private:
    static constexpr unsigned run_bits = 9;
    static_assert(run_queue_capacity < (1u << run_bits));

    [[nodiscard]] static constexpr std::uint64_t end_of(std::uint64_t taken) noexcept {
        return taken >> run_bits;
    }
    [[nodiscard]] static constexpr std::uint64_t run_of(std::uint64_t taken) noexcept {
        return taken & ((1u << run_bits) - 1);
    }
    [[nodiscard]] static constexpr std::uint64_t word(std::uint64_t end,
                                                      std::uint64_t run) noexcept {
        return end << run_bits | (run < run_queue_capacity ? run : run_queue_capacity);
    }

    [[nodiscard]] std::uint64_t head(std::uint64_t taken) const noexcept {
        const std::uint64_t claimed = claimed_.load(memory_order_relaxed);
        return claimed > end_of(taken) ? claimed : end_of(taken);
    }

    /// The owner has claimed this item, and may not be alone: 4. Gives the first that it gets.
    [[nodiscard]] ALOFT_NOINLINE work_node* settle(std::uint64_t claimed) noexcept {
        std::uint64_t taken = taken_.load(memory_order_relaxed);
        for (;;) {
            if (end_of(taken) <= claimed) {
                // Relaxed: what push acquires through it is the thieves' release, which it goes on with.
                if (taken_.compare_exchange_weak(taken, word(claimed + 1, 0), memory_order_relaxed,
                                                 memory_order_relaxed)) {
                    break;
                }
            } else if (end_of(taken) - claimed > run_of(taken)) {
                break;
            } else {
                claimed = end_of(taken);
                if (claimed >= tail_.load(memory_order_relaxed)) {
                    return nullptr;
                }
                claimed_.store(claimed + 1, memory_order_relaxed);
            }
        }
        return slot(claimed).load(memory_order_relaxed);
    }

    [[nodiscard]] atomic<work_node*>& slot(std::uint64_t index) noexcept {
        return slots_[static_cast<std::size_t>(index) % run_queue_capacity];
    }

    alignas(cacheline_bytes) atomic<std::uint64_t> taken_{0};
    alignas(cacheline_bytes) atomic<std::uint64_t> tail_{0};
    atomic<std::uint64_t> claimed_{0};
    std::array<atomic<work_node*>, run_queue_capacity> slots_{};
};

} // namespace aloft::inline ALOFT_ABI::detail

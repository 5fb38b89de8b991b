// SPDX-License-Identifier: MIT
// A worker's stack of forked work: the owner pushes and pops at the bottom, thieves take the top.
// Layer: L3 runtime
//
// Chase and Lev's deque with a fixed capacity; what does not fit goes to the inject queue, so
// pushing never allocates. The items of the deque are [top_, bottom_), indexes count up for ever.
//
// 1. bottom_ is written by the owner only. top_ only grows, by compare-exchange.
// 2. push: the slot is written before bottom_ is released, so a thief that acquires bottom_ reads
//    the item and what was written before it was pushed.
// 3. pop takes the item below bottom_ without a compare-exchange if at least one more is left. The
//    race for the last item is decided by the compare-exchange on top_: exactly one side gets it.
// 4. pop stores bottom_ and then loads top_; steal loads top_ and then bottom_: the two full fences
//    between them make sure that not both sides miss the other's move (Dekker), so an item that pop
//    takes without a compare-exchange is never taken by a thief.
// 5. A slot is overwritten only when top_ has passed it: push compares with top_. A thief that read
//    an overwritten slot fails its compare-exchange.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/cacheline.hpp>
#include <aloft/detail/base/work_node.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

inline constexpr std::size_t deque_capacity = ALOFT_SMALL_QUEUES ? 4 : 1024;

class deque {
public:
    /// Owner. False if the deque is full.
    [[nodiscard]] bool push(work_node& node) noexcept {
        const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);
        // order(deque.top): acquire; the thief has read the slot that is to be overwritten
        const std::int64_t top = top_.load(std::memory_order_acquire);
        if (bottom - top >= static_cast<std::int64_t>(deque_capacity)) {
            return false;
        }
        slot(bottom).store(&node, std::memory_order_relaxed);
        // order(deque.bottom): release; the slot and the node become visible to thieves
        bottom_.store(bottom + 1, std::memory_order_release);
        return true;
    }

    /// Owner: the item pushed last, or nullptr.
    [[nodiscard]] work_node* pop() noexcept {
        const std::int64_t bottom = bottom_.load(std::memory_order_relaxed) - 1;
        if (bottom < top_.load(std::memory_order_relaxed)) {
            return nullptr; // empty: top_ only grows, so there is nothing to race for
        }
        bottom_.store(bottom, std::memory_order_relaxed);
        full_fence(); // bottom_ against top_, see 4
        std::int64_t top = top_.load(std::memory_order_relaxed);
        if (top < bottom) {
            return slot(bottom).load(std::memory_order_relaxed);
        }
        work_node* last = nullptr;
        // order(deque.top): acq_rel; decides the race for the last item
        if (top == bottom && top_.compare_exchange_strong(top, top + 1, std::memory_order_acq_rel,
                                                          std::memory_order_relaxed)) {
            last = slot(bottom).load(std::memory_order_relaxed);
        }
        // order(deque.bottom): release; a thief that reads it sees the slots below
        bottom_.store(bottom + 1, std::memory_order_release);
        return last;
    }

    /// Any thread: the oldest item, or nullptr if there is none or another thread took it.
    [[nodiscard]] work_node* steal() noexcept {
        // order(deque.top): acquire; pairs with the exchange of whoever took the item before
        std::int64_t top = top_.load(std::memory_order_acquire);
        full_fence(); // top_ against bottom_, see 4
        // order(deque.bottom): acquire; the slot and the node become visible
        const std::int64_t bottom = bottom_.load(std::memory_order_acquire);
        if (top >= bottom) {
            return nullptr;
        }
        work_node* const oldest = slot(top).load(std::memory_order_relaxed);
        // order(deque.top): release; the slot has been read and may be overwritten
        return top_.compare_exchange_strong(top, top + 1, std::memory_order_acq_rel,
                                            std::memory_order_relaxed)
                   ? oldest
                   : nullptr;
    }

    /// A hint for threads other than the owner.
    [[nodiscard]] bool empty() const noexcept {
        return top_.load(std::memory_order_relaxed) >= bottom_.load(std::memory_order_relaxed);
    }

private:
    [[nodiscard]] atomic<work_node*>& slot(std::int64_t index) noexcept {
        return slots_[static_cast<std::size_t>(index) % deque_capacity];
    }

    alignas(cacheline_bytes) atomic<std::int64_t> top_{0};
    alignas(cacheline_bytes) atomic<std::int64_t> bottom_{0};
    std::array<atomic<work_node*>, deque_capacity> slots_{};
};

} // namespace aloft::inline ALOFT_ABI::detail

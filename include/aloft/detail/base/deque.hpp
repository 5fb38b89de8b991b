// SPDX-License-Identifier: MIT
// A worker's stack of forked work: the owner pushes and pops at the bottom, thieves take the top.
// Layer: L0 base
//
// Chase and Lev's deque with a fixed capacity. The items are [top_, bottom_), indexes count up for
// ever. What does not fit is the caller's business, so pushing never allocates.
//
// 1. bottom_ is written by the owner only. top_ only grows, by compare-exchange.
// 2. push: the slots are written before bottom_ is released, so a thief that acquires bottom_ reads
//    the items and what was written before they were pushed.
// 3. pop takes the item below bottom_ without a compare-exchange if at least one more is left. The
//    race for the last item is decided by the compare-exchange on top_: exactly one side gets it.
// 4. pop stores bottom_ and then loads top_; steal loads top_ and then bottom_. The fences between
//    them make sure that not both sides miss the other's move (Dekker): if pop, taking item i
//    without a compare-exchange, read a top_ older than the one that a thief of item i read, then
//    pop's fence came before the thief's, and the thief sees that bottom_ is not above i. The owner
//    pops for every fork, so it brings its own fence: where nobody steals it may be a light one
//    (idle.hpp says when).
// 5. A slot is overwritten only when top_ has passed it: push stays below end_, where the slots end
//    that were free when the owner last looked at top_, which only grows. A thief that read an
//    overwritten slot fails its compare-exchange.
// 6. Every item has a tag, so that the owner can ask what is at the bottom without touching an item
//    that a thief may have taken: only the owner reads and writes tags. An empty deque has an old tag at
//    the bottom; if it is what the owner asks for, bottom_ is below top_ for a moment, where every
//    thief finds nothing, and top_, which only grows, tells the owner so.
// 7. The owner knows bottom_, so it takes from the top without a fence: only top_ is contended.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/cacheline.hpp>
#include <aloft/detail/base/work_node.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

inline constexpr std::size_t deque_capacity = ALOFT_SMALL_QUEUES ? 8u >> ALOFT_SMALL_QUEUES : 1024;

class deque {
public:
    /// Owner. False if the deque is full.
    [[nodiscard]] bool push(work_node& node, const void* tag = nullptr) noexcept {
        return push_all(1, tag, [&node]() noexcept -> work_node& { return node; });
    }

    /// Owner: what next() gives when it is called so many times. False: there is no room for all of
    /// them, and it has not been called.
    template <class Next>
    [[nodiscard]] ALOFT_ALWAYS_INLINE bool push_all(std::size_t items, const void* tag,
                                                    Next&& next) noexcept {
        std::int64_t bottom = bottom_.load(memory_order_relaxed);
        const std::int64_t end = bottom + static_cast<std::int64_t>(items);
        if (end > end_) [[unlikely]] {
            // order(deque.top): acquire; the thief has read the slots that are to be overwritten
            end_ = top_.load(memory_order_acquire) + capacity;
            if (end > end_) {
                return false;
            }
        }
        for (; bottom != end; ++bottom) {
            slot& free = slot_of(bottom);
            free.node.store(&next(), memory_order_relaxed);
            free.tag = tag;
        }
        // order(deque.bottom): release; the slots and the nodes become visible to thieves
        bottom_.store(end, memory_order_release);
        return true;
    }

    /// Owner: the item pushed last, if there is one and it has this tag.
    template <class Fence>
    [[nodiscard]] work_node* pop_tagged(const void* tag, Fence&& fence) noexcept {
        const std::int64_t bottom = bottom_.load(memory_order_relaxed) - 1;
        // If it is empty, the tag is an old one. It may be ours all the same: take_last decides.
        return slot_of(bottom).tag == tag ? take_last(bottom, fence) : nullptr;
    }

    /// Owner: the item pushed last, or nullptr. fence() is called between bottom_ and top_, see 4.
    template <class Fence>
    [[nodiscard]] ALOFT_ALWAYS_INLINE work_node* pop(Fence&& fence) noexcept {
        const std::int64_t bottom = bottom_.load(memory_order_relaxed) - 1;
        if (bottom < top_.load(memory_order_relaxed)) {
            return nullptr; // empty: top_ only grows, so there is nothing to race for
        }
        return take_last(bottom, fence);
    }

    /// Owner: appends the oldest items, at most `most`, to `taken`, with one compare-exchange.
    void take_oldest(work_list& taken, std::size_t most) noexcept {
        const std::int64_t bottom = bottom_.load(memory_order_relaxed);
        // order(deque.top): acquire; pairs with the exchange of whoever took the item before
        std::int64_t top = top_.load(memory_order_acquire);
        std::int64_t end = top;
        do {
            end = top + static_cast<std::int64_t>(most);
            end = end < bottom ? end : bottom;
            if (top >= end) {
                return;
            }
            // order(deque.top): acq_rel; what is below `end` is ours
        } while (!top_.compare_exchange_weak(top, end, memory_order_acq_rel, memory_order_relaxed));
        for (; top < end; ++top) { // nobody else writes slots
            taken.push(*slot_of(top).node.load(memory_order_relaxed));
        }
    }

    /// Owner: whether at least so many items are left. Thieves may take some meanwhile.
    [[nodiscard]] bool has_at_least(std::size_t items) noexcept {
        const std::int64_t bottom = bottom_.load(memory_order_relaxed);
        const auto wanted = static_cast<std::int64_t>(items);
        if (bottom - (end_ - capacity) < wanted) { // thieves can only have left fewer
            return false;
        }
        // order(deque.top): acquire; the thief has read the slots that are to be overwritten
        end_ = top_.load(memory_order_acquire) + capacity;
        return bottom - (end_ - capacity) >= wanted;
    }

    [[nodiscard]] work_node* pop() noexcept {
        return pop([] { full_fence(); });
    }

    /// Any thread but the owner: the oldest item, or nullptr if there is none or another took it.
    [[nodiscard]] work_node* steal() noexcept {
        // order(deque.top): acquire; pairs with the exchange of whoever took the item before
        std::int64_t top = top_.load(memory_order_acquire);
        full_fence(); // top_ against bottom_, see 4
        // order(deque.bottom): acquire; the slot and the node become visible
        const std::int64_t bottom = bottom_.load(memory_order_acquire);
        if (top >= bottom) {
            return nullptr;
        }
        work_node* const oldest = slot_of(top).node.load(memory_order_relaxed);
        // order(deque.top): release; the slot has been read and may be overwritten
        return top_.compare_exchange_strong(top, top + 1, memory_order_acq_rel,
                                            memory_order_relaxed)
                   ? oldest
                   : nullptr;
    }

    /// A hint for threads other than the owner.
    [[nodiscard]] bool empty() const noexcept {
        return top_.load(memory_order_relaxed) >= bottom_.load(memory_order_relaxed);
    }

private:
    static constexpr auto capacity = static_cast<std::int64_t>(deque_capacity);

    /// Owner: the item at `bottom`, which is below bottom_, unless a thief gets it.
    template <class Fence>
    [[nodiscard]] ALOFT_ALWAYS_INLINE work_node* take_last(std::int64_t bottom,
                                                           Fence&& fence) noexcept {
        bottom_.store(bottom, memory_order_relaxed);
        fence();
        std::int64_t top = top_.load(memory_order_relaxed);
        if (top < bottom) [[likely]] {
            return slot_of(bottom).node.load(memory_order_relaxed);
        }
        work_node* last = nullptr;
        // order(deque.top): acq_rel; decides the race for the last item
        if (top == bottom && top_.compare_exchange_strong(top, top + 1, memory_order_acq_rel,
                                                          memory_order_relaxed)) {
            last = slot_of(bottom).node.load(memory_order_relaxed);
        }
        // order(deque.bottom): release; a thief that reads it sees the slots below
        bottom_.store(bottom + 1, memory_order_release);
        return last;
    }

    /// Side by side: as two arrays whose length is a multiple of 4 KiB, they would have a processor take
    /// a load of one for a load of what was just written to the other.
    struct slot {
        atomic<work_node*> node{nullptr};
        const void* tag = nullptr; // the owner's
    };

    [[nodiscard]] slot& slot_of(std::int64_t position) noexcept {
        return slots_[static_cast<std::size_t>(position) % deque_capacity];
    }

    alignas(cacheline_bytes) atomic<std::int64_t> top_{0};
    alignas(cacheline_bytes) atomic<std::int64_t> bottom_{0};
    std::int64_t end_ = capacity; // the owner's
    std::array<slot, deque_capacity> slots_{};
};

} // namespace aloft::inline ALOFT_ABI::detail

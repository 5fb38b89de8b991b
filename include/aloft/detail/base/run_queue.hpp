// SPDX-License-Identifier: MIT
// A worker's queue of what became ready: first in, first out; other workers take half of it at
// once.
// Layer: L0 base
//
// A ring of fixed capacity. Items are [head_, tail_), indexes count up for ever.
//
// 1. tail_ is written by the owner only; a slot is written before tail_ is released.
// 2. Everybody, the owner too, takes items by moving head_ with a compare-exchange after reading
//    the slots: whoever succeeds owns all the items it read. 64-bit indexes do not come round.
// 3. A slot is overwritten only when head_ has passed it; a reader of an overwritten slot fails.
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
        // order(run_queue.head): acquire; the slot has been read and may be overwritten
        if (tail - head_.load(memory_order_acquire) >= run_queue_capacity) {
            return false;
        }
        slot(tail).store(&node, memory_order_relaxed);
        // order(run_queue.tail): release; the slot and the node become visible
        tail_.store(tail + 1, memory_order_release);
        return true;
    }

    /// Any thread: the oldest item, or nullptr.
    [[nodiscard]] work_node* pop() noexcept {
        std::uint64_t head = head_.load(memory_order_relaxed);
        for (;;) {
            // order(run_queue.tail): acquire; the slot and the node become visible
            if (head >= tail_.load(memory_order_acquire)) {
                return nullptr;
            }
            work_node* const oldest = slot(head).load(memory_order_relaxed);
            // order(run_queue.head): release; the slot has been read and may be overwritten
            if (head_.compare_exchange_weak(head, head + 1, memory_order_release,
                                            memory_order_relaxed)) {
                return oldest;
            }
        }
    }

    /// Any thread, into a queue that the calling thread owns: moves about half of this one.
    /// Gives one item to run now, or nullptr.
    [[nodiscard]] work_node* steal_half(run_queue& mine) noexcept {
        std::uint64_t head = head_.load(memory_order_relaxed);
        for (;;) {
            // order(run_queue.tail): acquire; the slots and the nodes become visible
            const std::uint64_t tail = tail_.load(memory_order_acquire);
            if (head >= tail) {
                return nullptr;
            }
            const std::uint64_t my_tail = mine.tail_.load(memory_order_relaxed);
            // order(run_queue.head): acquire; our own slots have been read by thieves
            const std::uint64_t room =
                run_queue_capacity - (my_tail - mine.head_.load(memory_order_acquire));
            // An old head_ makes it look fuller than it can be; then the exchange below fails.
            const std::uint64_t seen =
                tail - head < run_queue_capacity ? tail - head : run_queue_capacity;
            const std::uint64_t more = (seen - 1) / 2 < room ? (seen - 1) / 2 : room;
            for (std::uint64_t i = 0; i < more; ++i) {
                mine.slot(my_tail + i)
                    .store(slot(head + 1 + i).load(memory_order_relaxed), memory_order_relaxed);
            }
            work_node* const first = slot(head).load(memory_order_relaxed);
            // order(run_queue.head): release; the slots have been read and may be overwritten
            if (head_.compare_exchange_weak(head, head + 1 + more, memory_order_release,
                                            memory_order_relaxed)) {
                // order(run_queue.tail): release; what was moved becomes visible in our queue
                mine.tail_.store(my_tail + more, memory_order_release);
                return first;
            }
        }
    }

    /// A hint for threads other than the owner.
    [[nodiscard]] bool empty() const noexcept {
        return head_.load(memory_order_relaxed) >= tail_.load(memory_order_relaxed);
    }

private:
    [[nodiscard]] atomic<work_node*>& slot(std::uint64_t index) noexcept {
        return slots_[static_cast<std::size_t>(index) % run_queue_capacity];
    }

    alignas(cacheline_bytes) atomic<std::uint64_t> head_{0};
    alignas(cacheline_bytes) atomic<std::uint64_t> tail_{0};
    std::array<atomic<work_node*>, run_queue_capacity> slots_{};
};

} // namespace aloft::inline ALOFT_ABI::detail

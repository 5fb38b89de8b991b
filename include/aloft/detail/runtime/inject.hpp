// SPDX-License-Identifier: MIT
// The queue that everybody may put work into and every worker takes from: first in, first out.
// Layer: L3 runtime
//
// 1. The list is touched under the lock only; it is linked through the nodes, so it has no
//    capacity.
// 2. size_ is written under the lock and read without it, as a hint to skip the lock. A thread
//    that pushed and then passed a full fence is seen by a thread that passed a full fence and then
//    reads size_: idle.hpp relies on that.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/cacheline.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>

#include <atomic>
#include <cstddef>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class alignas(cacheline_bytes) inject_queue {
public:
    void push(work_node& node) noexcept {
        const spin_guard guard(lock_);
        list_.push(node);
        publish();
    }

    void push_all(work_list&& nodes) noexcept {
        const spin_guard guard(lock_);
        list_.append(std::move(nodes));
        publish();
    }

    /// Moves up to `most` nodes to `taken`.
    void take(work_list& taken, std::size_t most) noexcept {
        if (empty()) {
            return;
        }
        const spin_guard guard(lock_);
        while (most-- > 0) {
            work_node* const node = list_.pop();
            if (node == nullptr) {
                break;
            }
            taken.push(*node);
        }
        publish();
    }

    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::size_t size() const noexcept {
        return size_.load(std::memory_order_relaxed);
    }

private:
    void publish() noexcept { size_.store(list_.size(), std::memory_order_relaxed); }

    spin_lock lock_;
    work_list list_;
    atomic<std::size_t> size_{0};
};

} // namespace aloft::inline ALOFT_ABI::detail

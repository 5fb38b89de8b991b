// SPDX-License-Identifier: MIT
// The operations of a reactor that are answered and not reaped yet, put there by any thread.
// Layer: L2 reactor
//
// 1. The list is touched under the lock. empty() is a hint that is written under it: who put something
//    in sees it himself, and others look again when they have been woken (put()).
// 2. What is in the list has its result. It is taken once: by take_all(), or by take().
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/reactor/operation.hpp>

#include <atomic>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class answered_list {
public:
    /// True: there was nothing before, and unless this is the reactor's owner, it has to be woken.
    bool put(operation& op) noexcept {
        const spin_guard guard(lock_);
        const bool first = list_.empty();
        list_.push(op); // PUBLISHED
        filled_.store(true, std::memory_order_relaxed);
        return first;
    }

    [[nodiscard]] work_list take_all() noexcept {
        work_list taken;
        if (!empty()) {
            const spin_guard guard(lock_);
            taken.append(std::move(list_));
            filled_.store(false, std::memory_order_relaxed);
        }
        return taken;
    }

    /// False: it is not here.
    [[nodiscard]] bool take(operation& op) noexcept {
        const spin_guard guard(lock_);
        return list_.remove(op);
    }

    [[nodiscard]] bool empty() const noexcept { return !filled_.load(std::memory_order_relaxed); }

private:
    spin_lock lock_;
    work_list list_;
    atomic<bool> filled_{false};
};

} // namespace aloft::inline ALOFT_ABI::detail

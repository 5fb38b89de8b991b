// SPDX-License-Identifier: MIT
// The operations that a reactor has given to a completion port and that are not answered yet.
// Layer: L2 reactor
//
// 1. The list goes through the completion records, under the lock. What is in it stays: whoever
//    finishes an operation takes it out before.
// 2. refuse() closes the list and then goes through it, under one hold of the lock: an operation is
//    seen by it, or refused by add().
#pragma once

#if defined(_WIN32)

#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/reactor/operation.hpp>

namespace aloft::inline ALOFT_ABI::detail {

class flight_list {
public:
    /// False: the list is closed.
    [[nodiscard]] bool add(operation& op) noexcept {
        const spin_guard guard(lock_);
        if (closed_) {
            return false;
        }
        op.completion.previous = nullptr;
        op.completion.next = first_;
        if (first_ != nullptr) {
            first_->completion.previous = &op;
        }
        first_ = &op;
        return true;
    }

    void remove(operation& op) noexcept {
        const spin_guard guard(lock_);
        operation* const next = op.completion.next;
        operation* const previous = op.completion.previous;
        (previous == nullptr ? first_ : previous->completion.next) = next;
        if (next != nullptr) {
            next->completion.previous = previous;
        }
    }

    /// Closes the list and calls use(op) for each that is in it.
    template <class Use>
    void refuse(Use&& use) noexcept {
        const spin_guard guard(lock_);
        closed_ = true;
        for (operation* each = first_; each != nullptr; each = each->completion.next) {
            use(*each);
        }
    }

private:
    spin_lock lock_;
    operation* first_ = nullptr;
    bool closed_ = false;
};

} // namespace aloft::inline ALOFT_ABI::detail

#endif

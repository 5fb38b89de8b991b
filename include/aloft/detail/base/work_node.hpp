// SPDX-License-Identifier: MIT
// A suspended coroutine that is ready to run, as an entry of queues, and a list of such entries.
// Layer: L0 base
//
// 1. A node lives in what it stands for (a promise or an awaiter), so that making something ready
//    never allocates and never fails.
// 2. A node is in at most one queue or list. `next` belongs to whoever owns the list it is in; the
//    deque and the run queue hold pointers to nodes and do not use it.
// 3. Whoever takes a node out of the last queue resumes its coroutine, once; the node may be gone
//    when resume() returns.
#pragma once

#include <aloft/config.hpp>

#include <coroutine>
#include <cstddef>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

struct work_node {
    work_node* next = nullptr;
    std::coroutine_handle<> coroutine{};
};

/// First in, first out; not thread-safe.
class work_list {
public:
    [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] work_node* front() const noexcept { return head_; } // nullptr: empty

    void push(work_node& node) noexcept {
        node.next = nullptr;
        if (tail_ == nullptr) {
            head_ = &node;
        } else {
            tail_->next = &node;
        }
        tail_ = &node;
        ++size_;
    }

    void append(work_list&& other) noexcept {
        if (other.empty()) {
            return;
        }
        if (tail_ == nullptr) {
            head_ = other.head_;
        } else {
            tail_->next = other.head_;
        }
        tail_ = other.tail_;
        size_ += other.size_;
        other.head_ = other.tail_ = nullptr;
        other.size_ = 0;
    }

    [[nodiscard]] work_node* pop() noexcept {
        work_node* node = head_;
        if (node != nullptr) {
            head_ = std::exchange(node->next, nullptr);
            if (head_ == nullptr) {
                tail_ = nullptr;
            }
            --size_;
        }
        return node;
    }

    /// Takes `node` out from wherever it is; false if it is not here. Linear.
    bool remove(work_node& node) noexcept {
        work_node* before = nullptr;
        for (work_node* at = head_; at != nullptr; before = at, at = at->next) {
            if (at != &node) {
                continue;
            }
            (before == nullptr ? head_ : before->next) = at->next;
            if (tail_ == at) {
                tail_ = before;
            }
            at->next = nullptr;
            --size_;
            return true;
        }
        return false;
    }

private:
    work_node* head_ = nullptr;
    work_node* tail_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace aloft::inline ALOFT_ABI::detail

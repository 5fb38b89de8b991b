// SPDX-License-Identifier: MIT
// Counts the children of a when_all down and resumes the parent when the last of them has ended.
// Layer: L1 coro
//
// Life cycle: armed with the number of children before any of them starts; each child's hook
// arrives once; the last arrival resumes the parent, whose awaiter holds the block.
//
// 1. `remaining` is the only field that several threads change. The block is alive as long as it is
//    positive: every child that has not arrived keeps it so.
// 2. `error` is written by the child that turned `failed` from false to true, before it arrives,
//    and read by the parent after the last arrival.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/task.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class join_block {
public:
    join_block() = default;
    join_block(join_block&&) noexcept {} // before it is armed there is nothing to move

    void arm(std::size_t children, std::coroutine_handle<> parent) noexcept {
        remaining_.store(children, std::memory_order_relaxed);
        parent_ = parent;
    }

    /// The hook of a child: notes the first exception and counts down.
    template <class T>
    static std::coroutine_handle<> child_done(promise_base& child) noexcept {
        auto& block = *static_cast<join_block*>(child.owner.load(std::memory_order_relaxed));
        auto& result = static_cast<promise<T>&>(child).result;
        if (result.failed()) [[unlikely]] {
            if (!block.failed_.exchange(true, std::memory_order_relaxed)) {
                block.error_ = result.take_error();
            }
        }
        const std::coroutine_handle<> parent = block.parent_;
        // order(join_block.remaining): acq_rel; the children's results become visible to the parent
        if (block.remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            return parent;
        }
        return std::noop_coroutine(); // PUBLISHED
    }

    void rethrow_first() {
        if (error_ != nullptr) [[unlikely]] {
            std::rethrow_exception(std::exchange(error_, nullptr));
        }
    }

private:
    atomic<std::size_t> remaining_{0};
    atomic<bool> failed_{false};
    std::coroutine_handle<> parent_{};
    std::exception_ptr error_{};
};

/// Starts a child that has been adopted: where others can steal it, or here if there is no
/// executor.
inline void start_child(const environment* env, promise_base& child) noexcept {
    if (env != nullptr) [[likely]] {
        env->exec->fork(child);
    } else {
        resume_chain(child.coroutine);
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

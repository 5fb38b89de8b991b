// SPDX-License-Identifier: MIT
// The workers of one runtime, of which some may come later.
// Layer: L3 runtime
//
// 1. Slots are filled in order and never emptied, by one thread at a time, before the count is
//    released; whoever acquires the count sees the workers that it counts.
// 2. The capacity is fixed, so slots do not move.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/lean_memory.hpp>

#include <atomic>
#include <cstddef>

namespace aloft::inline ALOFT_ABI::detail {

class worker;

class worker_set {
public:
    explicit worker_set(std::size_t capacity)
        : capacity_(capacity), slots_(std::make_unique<worker*[]>(capacity)) {}

    void add(worker& w) noexcept {
        const std::size_t count = count_.load(std::memory_order_relaxed);
        require(count < capacity_, "more workers were added than a runtime was made for");
        slots_[count] = &w;
        // order(worker_set.count): release; the slot and the worker become visible
        count_.store(count + 1, std::memory_order_release);
    }

    [[nodiscard]] std::size_t size() const noexcept {
        // order(worker_set.count): acquire; the slots below and their workers become visible
        return count_.load(std::memory_order_acquire);
    }
    [[nodiscard]] worker& operator[](std::size_t index) const noexcept { return *slots_[index]; }

    [[nodiscard]] worker** begin() const noexcept { return slots_.get(); }
    [[nodiscard]] worker** end() const noexcept { return slots_.get() + size(); }

private:
    std::size_t capacity_;
    std::unique_ptr<worker*[]> slots_;
    atomic<std::size_t> count_{0};
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// Keeps a runtime's destructor waiting while a thread that is none of its workers is inside.
// Layer: L3 runtime
#pragma once

#include <aloft/detail/base/atomic.hpp>

#include <atomic>
#include <cstddef>

namespace aloft::inline ALOFT_ABI::detail {

/// Brackets what a thread that is no worker does here. It begins while a task still keeps the
/// scheduler alive; what it does may let that task end, and stop() waits for the visit's end.
class visit {
public:
    explicit visit(atomic<std::size_t>& visitors) noexcept : visitors_(visitors) {
        visitors_.fetch_add(1, std::memory_order_seq_cst);
    }
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    ~visit() {
        // order(visitors): release; the visitor's accesses come before the destruction
        visitors_.fetch_sub(1, std::memory_order_release); // PUBLISHED
    }

private:
    atomic<std::size_t>& visitors_;
};

} // namespace aloft::inline ALOFT_ABI::detail

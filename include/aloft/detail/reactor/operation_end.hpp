// SPDX-License-Identifier: MIT
// The two ends that an operation can have, for every backend: handed on to be resumed, or released
// because its awaiter has been destroyed.
// Layer: L2 reactor
//
// Who abandons sets `abandoned` and then looks at the phase; who reaps sets the phase to finished and
// then looks at `abandoned`. One of the two sees the other, by the order of all four, or because who
// abandons looks, and who reaps does both, under one lock (io_uring.hpp): an operation is not both pushed
// and released, and one that has been pushed already is noticed (operation.hpp, 5 and 6).
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/reactor/operation.hpp>

#include <atomic>

namespace aloft::inline ALOFT_ABI::detail {

inline void mark_abandoned(operation& op) noexcept {
    // order(operation.abandoned): seq_cst; abandoned against the phase, see the top
    op.abandoned.store(true, std::memory_order_seq_cst);
}

inline void expect_unfinished(const operation& op) noexcept {
    require(op.phase.load(std::memory_order_seq_cst) != operation_phase::finished,
            "a frame was destroyed after its operation had finished and before it was resumed");
}

/// The awaiter goes. Behind it the operation is cancelled, and has_been_released() waited for.
inline void begin_abandoning(operation& op) noexcept {
    mark_abandoned(op);
    expect_unfinished(op);
}

[[nodiscard]] inline bool has_been_released(const operation& op) noexcept {
    // order(operation.released): acquire; nobody touches the operation any more
    return op.phase.load(std::memory_order_acquire) == operation_phase::released;
}

/// The reaper, when the phase is finished.
inline void push_or_release(operation& op, work_list& finished) noexcept {
    // order(operation.abandoned): seq_cst; the phase against abandoned, see the top
    if (op.abandoned.load(std::memory_order_seq_cst)) [[unlikely]] {
        // order(operation.released): release; the last touch of an abandoned operation
        op.phase.store(operation_phase::released, std::memory_order_release); // PUBLISHED
        return;
    }
    finished.push(op);
}

} // namespace aloft::inline ALOFT_ABI::detail

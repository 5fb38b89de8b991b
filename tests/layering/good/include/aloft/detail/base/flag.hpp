// SPDX-License-Identifier: MIT
// Layer: L0 base
#pragma once

#include <atomic>

namespace aloft::detail {

inline void set(std::atomic<int>& flag) {
    // order(flag.set): release; what the setter wrote
    flag.store(1, std::memory_order_release);
}

inline bool is_set(const std::atomic<int>& flag) {
    // order(flag.set): acquire; what the setter wrote
    return flag.load(std::memory_order_acquire) == 1;
}

} // namespace aloft::detail

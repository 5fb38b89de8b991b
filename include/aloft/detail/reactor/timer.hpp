// SPDX-License-Identifier: MIT
// The record of one sleeping task; it lives in the awaiter, inside the coroutine's frame.
// Layer: L2 reactor
//
// Life cycle and who may touch it when: timers.hpp.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/reactor/clock.hpp>

#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

class timers;

enum class timer_phase : std::uint8_t { idle, armed, fired, refused };

/// `next` and `previous` link the timers of a slot into a ring.
struct timer : work_node {
    clock_ns deadline = 0;
    timer* previous = nullptr;
    atomic<timers*> home{nullptr};
    std::uint16_t slot = 0;
    timer_phase phase = timer_phase::idle;
    bool stoppable = false; // somebody may take it out before it has been added
    atomic<bool> stop_wanted{false};
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// An entry in a stop state's list that leaves it when the awaiter says so.
// Layer: L1 coro
//
// 1. listen() comes before the awaiter can be resumed by anybody, so `state_` is written and read by
//    one thread after the other. The function may run before listen() has returned.
// 2. When leave() has returned, the function does not run and never will (stop_state.hpp, 3). It comes
//    before the awaiter goes.
#pragma once

#include <aloft/detail/coro/stop_state.hpp>

#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class stop_listener : public stop_node {
public:
    /// False: stop has been requested before, and `function` is not called.
    [[nodiscard]] bool listen(stop_state& stop, void (*function)(stop_node&) noexcept) noexcept {
        run = function;
        state_ = stop.add(*this) ? &stop : nullptr;
        return state_ != nullptr;
    }

    void leave() noexcept {
        if (state_ != nullptr) {
            std::exchange(state_, nullptr)->remove(*this);
        }
    }

private:
    stop_state* state_ = nullptr; // where this is listed
};

} // namespace aloft::inline ALOFT_ABI::detail

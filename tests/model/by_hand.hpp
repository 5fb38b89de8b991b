// SPDX-License-Identifier: MIT
// An object that is destroyed by hand: an execution may be left before.
#pragma once

#include "explorer.hpp"

namespace model {

template <class T>
union by_hand {
    by_hand() noexcept {}
    ~by_hand() {}
    T value;

    void destroy() {
        value.~T();
        bury(&value, sizeof(T));
    }
};

} // namespace model

// SPDX-License-Identifier: MIT
// The atomics of the library (ALOFT_MODEL) as the explorer runs them.
//
// Mutants switch single rules off, to show that the explorer would find it:
//   MODEL_NO_FULL_FENCE    full_fence() does nothing
//   MODEL_NO_HEAVY_FENCE   heavy_fence() is a full fence of the calling thread only
#pragma once

#define ALOFT_MODEL_WAITS 1

#include "explorer.hpp"

#include <atomic>
#include <cstring>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

template <class T>
class atomic {
    static_assert(sizeof(T) <= sizeof(model::word) && std::is_trivially_copyable_v<T>);

public:
    constexpr atomic() noexcept : atomic(T{}) {}
    constexpr atomic(T value) noexcept : where_(to_word(value)) {}
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;

    [[nodiscard]] T load(std::memory_order = std::memory_order_seq_cst) const noexcept {
        return to_value(on_thread() ? machine().load(where_) : where_.value);
    }

    void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        if (!on_thread()) {
            where_.value = to_word(value);
        } else if (order == std::memory_order_seq_cst) {
            machine().store_and_drain(where_, to_word(value));
        } else {
            machine().store(where_, to_word(value));
        }
    }

    T exchange(T value, std::memory_order = std::memory_order_seq_cst) noexcept {
        return change([value](T) { return std::pair(value, true); });
    }

    template <class... Order>
    bool compare_exchange_strong(T& expected, T desired, Order...) noexcept {
        const T before =
            change([expected, desired](T old) { return std::pair(desired, old == expected); });
        return std::exchange(expected, before) == before;
    }
    template <class... Order>
    bool compare_exchange_weak(T& expected, T desired, Order... order) noexcept {
        return compare_exchange_strong(expected, desired, order...); // no spurious failures
    }

    T fetch_add(T value, std::memory_order = std::memory_order_seq_cst) noexcept {
        return change([value](T old) { return std::pair(static_cast<T>(old + value), true); });
    }
    T fetch_sub(T value, std::memory_order = std::memory_order_seq_cst) noexcept {
        return change([value](T old) { return std::pair(static_cast<T>(old - value), true); });
    }
    T fetch_and(T value, std::memory_order = std::memory_order_seq_cst) noexcept {
        return change([value](T old) { return std::pair(static_cast<T>(old & value), true); });
    }

    void wait(T old, std::memory_order = std::memory_order_seq_cst) const noexcept {
        machine().wait_for_change(where_, to_word(old));
    }
    void notify_one() noexcept {} // who waits for a change is offered as soon as there is one
    void notify_all() noexcept {}

private:
    [[nodiscard]] static constexpr model::word to_word(T value) noexcept {
        if constexpr (std::is_pointer_v<T>) {
            return value == nullptr ? 0 : reinterpret_cast<std::uintptr_t>(value);
        } else {
            return static_cast<model::word>(value);
        }
    }
    [[nodiscard]] static T to_value(model::word value) noexcept {
        if constexpr (std::is_pointer_v<T>) {
            return reinterpret_cast<T>(static_cast<std::uintptr_t>(value));
        } else {
            return static_cast<T>(value);
        }
    }
    [[nodiscard]] static model::explorer& machine() noexcept { return model::explorer::instance(); }
    [[nodiscard]] static bool on_thread() noexcept { return machine().running() != nullptr; }

    template <class Change>
    T change(Change&& next) noexcept {
        if (!on_thread()) {
            const T before = to_value(where_.value);
            const auto [after, written] = next(before);
            where_.value = written ? to_word(after) : where_.value;
            return before;
        }
        return to_value(machine().exchange(where_, [&](model::word old) {
            const auto [after, written] = next(to_value(old));
            return std::pair(to_word(after), written);
        }));
    }

    model::location where_;
};

inline void full_fence() noexcept {
#ifndef MODEL_NO_FULL_FENCE
    model::explorer::instance().full_fence();
#endif
}

using process_fence = bool (*)() noexcept;

[[nodiscard]] inline bool asymmetric_fences() noexcept {
    return true;
}

inline void light_fence() noexcept {}

[[nodiscard]] inline bool heavy_fence() noexcept {
#ifdef MODEL_NO_HEAVY_FENCE
    model::explorer::instance().full_fence();
#else
    model::explorer::instance().heavy_fence();
#endif
    return true;
}

[[nodiscard]] inline const void* thread_mark() noexcept {
    return model::explorer::instance().running();
}

inline void spin_pause() noexcept {} // only bounded loops spin, with few rounds in model builds

/// A round of a loop that waits for a change.
template <class T>
void back_off(const atomic<T>& variable, T value, unsigned /*round*/) noexcept {
    variable.wait(value);
}

} // namespace aloft::inline ALOFT_ABI::detail

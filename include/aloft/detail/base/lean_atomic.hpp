// SPDX-License-Identifier: MIT
// What the library uses of std::atomic, made of the functions that GCC and clang have for it, without
// what <atomic> brings along: atomic.hpp, 5.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

#include <type_traits>

namespace aloft::inline ALOFT_ABI::detail {

enum class memory_order : int {
    relaxed = __ATOMIC_RELAXED,
    acquire = __ATOMIC_ACQUIRE,
    release = __ATOMIC_RELEASE,
    acq_rel = __ATOMIC_ACQ_REL,
    seq_cst = __ATOMIC_SEQ_CST
};
inline constexpr memory_order memory_order_relaxed = memory_order::relaxed;
inline constexpr memory_order memory_order_acquire = memory_order::acquire;
inline constexpr memory_order memory_order_release = memory_order::release;
inline constexpr memory_order memory_order_acq_rel = memory_order::acq_rel;
inline constexpr memory_order memory_order_seq_cst = memory_order::seq_cst;

template <class T>
concept enumeration = std::is_enum_v<T>;

/// An order as an argument: the library's own or std::memory_order, which has the same numbers.
class order_argument {
public:
    template <enumeration Order>
    ALOFT_ALWAYS_INLINE constexpr order_argument(Order order) noexcept
        : number_(static_cast<int>(order)) {}
    [[nodiscard]] ALOFT_ALWAYS_INLINE constexpr int number() const noexcept { return number_; }
    /// What a comparison that fails orders, where it is not said.
    [[nodiscard]] ALOFT_ALWAYS_INLINE constexpr int of_failure() const noexcept {
        return number_ == __ATOMIC_ACQ_REL   ? __ATOMIC_ACQUIRE
               : number_ == __ATOMIC_RELEASE ? __ATOMIC_RELAXED
                                             : number_;
    }

private:
    int number_;
};

/// What those functions take: numbers and pointers.
template <class T>
struct stored_atomic {
    using type = T;
};
template <enumeration T>
struct stored_atomic<T> {
    using type = std::underlying_type_t<T>;
};

/// The members are those of std::atomic that the library uses; waiting is in atomic_wait.hpp.
template <class T>
class atomic {
    static_assert(std::is_scalar_v<T> && !std::is_floating_point_v<T> && sizeof(T) <= 8);
    using stored = typename stored_atomic<T>::type;
    // What is counted with: bytes for a pointer are none.
    static constexpr bool counts = std::is_integral_v<T> && !std::is_same_v<T, bool>;
    static constexpr order_argument strongest = memory_order_seq_cst;

public:
    constexpr atomic() noexcept : value_() {}
    constexpr atomic(T value) noexcept : value_(static_cast<stored>(value)) {}
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;

    ALOFT_ALWAYS_INLINE operator T() const noexcept { return load(); }
    ALOFT_ALWAYS_INLINE T operator=(T value) noexcept {
        store(value);
        return value;
    }

    [[nodiscard]] ALOFT_ALWAYS_INLINE T load(order_argument order = strongest) const noexcept {
        return static_cast<T>(__atomic_load_n(&value_, order.number()));
    }
    ALOFT_ALWAYS_INLINE void store(T value, order_argument order = strongest) noexcept {
        __atomic_store_n(&value_, static_cast<stored>(value), order.number());
    }
    ALOFT_ALWAYS_INLINE T exchange(T value, order_argument order = strongest) noexcept {
        return static_cast<T>(
            __atomic_exchange_n(&value_, static_cast<stored>(value), order.number()));
    }

    ALOFT_ALWAYS_INLINE bool compare_exchange_strong(T& expected, T desired, order_argument success,
                                                     order_argument failure) noexcept {
        return compare_exchange(expected, desired, false, success.number(), failure.number());
    }
    ALOFT_ALWAYS_INLINE bool compare_exchange_strong(T& expected, T desired,
                                                     order_argument order = strongest) noexcept {
        return compare_exchange(expected, desired, false, order.number(), order.of_failure());
    }
    ALOFT_ALWAYS_INLINE bool compare_exchange_weak(T& expected, T desired, order_argument success,
                                                   order_argument failure) noexcept {
        return compare_exchange(expected, desired, true, success.number(), failure.number());
    }
    ALOFT_ALWAYS_INLINE bool compare_exchange_weak(T& expected, T desired,
                                                   order_argument order = strongest) noexcept {
        return compare_exchange(expected, desired, true, order.number(), order.of_failure());
    }

    ALOFT_ALWAYS_INLINE T fetch_add(T value, order_argument order = strongest) noexcept {
        static_assert(counts);
        return __atomic_fetch_add(&value_, value, order.number());
    }
    ALOFT_ALWAYS_INLINE T fetch_sub(T value, order_argument order = strongest) noexcept {
        static_assert(counts);
        return __atomic_fetch_sub(&value_, value, order.number());
    }
    ALOFT_ALWAYS_INLINE T fetch_and(T value, order_argument order = strongest) noexcept {
        static_assert(counts);
        return __atomic_fetch_and(&value_, value, order.number());
    }
    ALOFT_ALWAYS_INLINE T fetch_or(T value, order_argument order = strongest) noexcept {
        static_assert(counts);
        return __atomic_fetch_or(&value_, value, order.number());
    }

private:
    ALOFT_ALWAYS_INLINE bool compare_exchange(T& expected, T desired, bool weak, int success,
                                              int failure) noexcept {
        if constexpr (enumeration<T>) {
            auto seen = static_cast<stored>(expected);
            const bool done = __atomic_compare_exchange_n(
                &value_, &seen, static_cast<stored>(desired), weak, success, failure);
            expected = static_cast<T>(seen);
            return done;
        } else {
            return __atomic_compare_exchange_n(&value_, &expected, desired, weak, success, failure);
        }
    }

    alignas(sizeof(T) > alignof(T) ? sizeof(T) : alignof(T)) stored value_;
};

} // namespace aloft::inline ALOFT_ABI::detail

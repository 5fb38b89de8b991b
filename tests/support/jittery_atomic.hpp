// SPDX-License-Identifier: MIT
// Stands in for the library's atomics (ALOFT_MODEL): the same, but in front of every access a thread
// now and then spins, yields or sleeps for a while. So the transitions of a protocol meet each other
// in orders that a quiet machine hardly ever shows.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

namespace test_support {

inline std::atomic<std::uint64_t> jitter_seed{1};

inline void jitter() noexcept {
    thread_local std::uint64_t state = 0;
    if (state == 0) {
        state = jitter_seed.fetch_add(0x9E3779B97F4A7C15u, std::memory_order_relaxed) | 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const std::uint64_t die = state % 4096;
    if (die < 2) {
        std::this_thread::sleep_for(std::chrono::microseconds(20));
    } else if (die < 8) {
        std::this_thread::yield();
    } else if (die < 256) {
        for (std::uint64_t i = state >> 58; i > 0; --i) {
            std::atomic_signal_fence(std::memory_order_seq_cst);
        }
    }
}

} // namespace test_support

namespace aloft::inline ALOFT_ABI::detail {

template <class T>
class atomic {
public:
    constexpr atomic() noexcept = default;
    constexpr atomic(T value) noexcept : value_(value) {}
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;

    [[nodiscard]] T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
        test_support::jitter();
        return value_.load(order);
    }
    void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        test_support::jitter();
        value_.store(value, order);
    }
    T exchange(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        test_support::jitter();
        return value_.exchange(value, order);
    }
    template <class... Order>
    bool compare_exchange_strong(T& expected, T desired, Order... order) noexcept {
        test_support::jitter();
        return value_.compare_exchange_strong(expected, desired, order...);
    }
    template <class... Order>
    bool compare_exchange_weak(T& expected, T desired, Order... order) noexcept {
        test_support::jitter();
        return value_.compare_exchange_weak(expected, desired, order...);
    }
    T fetch_add(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        test_support::jitter();
        return value_.fetch_add(value, order);
    }
    T fetch_sub(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        test_support::jitter();
        return value_.fetch_sub(value, order);
    }
    T fetch_and(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        test_support::jitter();
        return value_.fetch_and(value, order);
    }
    T fetch_or(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
        test_support::jitter();
        return value_.fetch_or(value, order);
    }

private:
    std::atomic<T> value_{};
};

inline void full_fence() noexcept {
    test_support::jitter();
#if ALOFT_TSAN && defined(__GNUC__)
    __sync_synchronize();
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

using process_fence = bool (*)() noexcept;
constinit inline process_fence asymmetric_fence = nullptr;

[[nodiscard]] inline bool asymmetric_fences() noexcept {
    return asymmetric_fence != nullptr;
}

inline void light_fence() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    test_support::jitter();
}

[[nodiscard]] inline bool heavy_fence() noexcept {
    test_support::jitter();
    if (asymmetric_fence != nullptr) {
        return asymmetric_fence();
    }
    full_fence();
    return true;
}

constinit inline thread_local char thread_mark_byte = 0;

[[nodiscard]] ALOFT_NOINLINE inline const void* thread_mark() noexcept {
    return &thread_mark_byte;
}

inline void spin_pause() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

template <class T>
void back_off(const atomic<T>& /*variable*/, T /*value*/, unsigned /*round*/) noexcept {
    std::this_thread::yield();
}

} // namespace aloft::inline ALOFT_ABI::detail

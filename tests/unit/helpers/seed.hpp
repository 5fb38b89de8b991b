// SPDX-License-Identifier: MIT
// Random numbers whose seed is printed, so that a failure can be repeated with ALOFT_TEST_SEED.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

namespace testing {

/// The seed from the environment, or a fresh one; prints it either way.
[[nodiscard]] inline std::uint64_t make_seed(const char* test) {
    const char* const given = std::getenv("ALOFT_TEST_SEED");
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("%s: ALOFT_TEST_SEED=%llu\n", test, static_cast<unsigned long long>(seed));
    return seed;
}

/// A small generator (splitmix64), one per thread.
class dice {
public:
    explicit dice(std::uint64_t seed) noexcept : state_(seed) {}

    [[nodiscard]] std::uint64_t next() noexcept {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }

    [[nodiscard]] std::size_t below(std::size_t limit) noexcept {
        return static_cast<std::size_t>(next() % limit);
    }

    /// Once in `rarity` calls spins for a while, or now and then gives the processor away; not more
    /// often, because on a busy machine that takes milliseconds.
    void maybe_yield(std::size_t rarity) noexcept {
        if (below(rarity) != 0) {
            return;
        }
        if (below(64) == 0) {
            std::this_thread::yield();
            return;
        }
        for (std::size_t i = below(100); i > 0; --i) {
            std::atomic_signal_fence(std::memory_order_seq_cst);
        }
    }

private:
    std::uint64_t state_;
};

} // namespace testing

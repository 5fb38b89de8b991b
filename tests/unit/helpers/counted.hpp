// SPDX-License-Identifier: MIT
// A value that counts its living instances, to show that each is destroyed exactly once.
#pragma once

#include <atomic>
#include <utility>

namespace testing {

/// Copies and moves count as instances of their own; destroying one twice makes the count too low.
class counted {
public:
    counted() noexcept : counted(0) {}
    explicit counted(int number) noexcept : number_(number) { alive_.fetch_add(1); }
    counted(const counted& other) noexcept : counted(other.number_) {}
    counted(counted&& other) noexcept : counted(std::exchange(other.number_, -1)) {}
    counted& operator=(const counted&) noexcept = default;
    counted& operator=(counted&& other) noexcept {
        number_ = std::exchange(other.number_, -1);
        return *this;
    }
    ~counted() { alive_.fetch_sub(1); }

    /// The number it was made with, or -1 when it has been moved from.
    [[nodiscard]] int number() const noexcept { return number_; }

    [[nodiscard]] static long alive() noexcept { return alive_.load(); }

private:
    static inline std::atomic<long> alive_{0};
    int number_;
};

} // namespace testing

// SPDX-License-Identifier: MIT
// A number or a pointer that is copied by itself (config.hpp, ALOFT_KEEP_SCALAR).
// Layer: L0 base
//
// For the members of descriptions that pass through several objects before they are used: an object of
// plain members is copied in pieces of 16 bytes, each of which waits for the stores that it covers.
#pragma once

#include <aloft/config.hpp>

namespace aloft::inline ALOFT_ABI::detail {

template <class T>
class scalar {
public:
    scalar(T value) noexcept : value_(value) {}
    scalar(const scalar& other) noexcept : value_(other.value_) { ALOFT_KEEP_SCALAR(value_); }
    scalar& operator=(const scalar&) noexcept = default;

    operator T() const noexcept { return value_; }

private:
    T value_;
};

} // namespace aloft::inline ALOFT_ABI::detail

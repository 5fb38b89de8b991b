// SPDX-License-Identifier: MIT
// Whether an exception only says that somebody was stopped.
// Layer: L1 coro
#pragma once

#include <aloft/config.hpp>

#include <exception>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

[[nodiscard]] inline bool is_cancellation(const std::exception_ptr& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const std::system_error& e) {
        return e.code() == std::errc::operation_canceled;
    } catch (...) {
        return false;
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

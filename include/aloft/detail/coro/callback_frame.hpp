// SPDX-License-Identifier: MIT
// A function that is called where a coroutine would be resumed.
// Layer: L1 coro
//
// What a queue or a timer resumes is a coroutine_handle. A callback_frame is what such a handle
// points to, without a coroutine: every implementation (GCC, clang, MSVC) begins a frame with the
// addresses of its resume and destroy functions, so that frames can be resumed across compilers.
//
// 1. It is resumed, never destroyed through the handle, and has no promise.
// 2. The function may end the life of the frame. What it wants to be resumed next it hands over with
//    resume_next, which does not grow the stack.
#pragma once

#include <aloft/detail/coro/transfer.hpp>

#include <coroutine>

namespace aloft::inline ALOFT_ABI::detail {

struct callback_frame {
    using function = void (*)(callback_frame*) noexcept;

    explicit callback_frame(function on_resume) noexcept : resume(on_resume) {}
    callback_frame(const callback_frame&) = delete;
    callback_frame& operator=(const callback_frame&) = delete;

    [[nodiscard]] std::coroutine_handle<> handle() noexcept {
        return std::coroutine_handle<>::from_address(this);
    }

    /// For the function: the thread goes on with `next` behind its return.
    static void resume_next(std::coroutine_handle<> next) noexcept { trampoline_transfer(next); }

    function resume;
    function destroy = nullptr;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// A coroutine type that the library does not know: it starts at once and destroys itself at its end.
#pragma once

#include <coroutine>
#include <exception>

namespace test_support {

class orphan {
public:
    struct promise_type {
        orphan get_return_object() noexcept {
            return orphan(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };

    /// Only while it is suspended.
    void destroy() noexcept { frame_.destroy(); }

private:
    explicit orphan(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
    std::coroutine_handle<promise_type> frame_;
};

} // namespace test_support

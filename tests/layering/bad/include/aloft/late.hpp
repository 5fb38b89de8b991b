#pragma once
// SPDX-License-Identifier: MIT
// Layer: L4

struct awaiter {
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept;
};

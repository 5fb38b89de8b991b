// SPDX-License-Identifier: MIT
// Hands the thread from one coroutine to the next without growing the stack, in every build mode.
// Layer: L1 coro
//
// Where the compiler turns a returned handle into a tail call, transfer_to returns it. Where it
// does not (ALOFT_TRAMPOLINE), the handle goes to a slot of the thread, await_suspend returns
// nothing, and the loop in resume_chain, at the bottom of the stack, picks it up.
//
// 1. Whoever resumes a coroutine of the library does it with resume_chain. A stranger who calls
//    handle.resume() is safe too: with no loop below, trampoline_transfer runs one itself.
// 2. The slot holds at most one handle. If a stranger's nested resume() left one there, the next
//    transfer on this thread first runs that one to its suspension: nothing is overwritten.
// 3. Both ways may be linked together: resume_chain always looks into the slot, and the functions
//    that differ are selected by a template argument and inlined into their callers.
#pragma once

#include <aloft/config.hpp>

#include <coroutine>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

enum class transfer_mode : bool { tail_call, trampoline };

/// This translation unit's way; internal linkage on purpose.
static constexpr transfer_mode transfer_here =
    ALOFT_TRAMPOLINE ? transfer_mode::trampoline : transfer_mode::tail_call;

struct trampoline_slot {
    void* next = nullptr;
    bool looping = false;
};

constinit inline thread_local trampoline_slot thread_trampoline{};

ALOFT_THREAD_LOCAL_INLINE void* exchange_next(void* next) noexcept {
    return std::exchange(thread_trampoline.next, next);
}

ALOFT_THREAD_LOCAL_INLINE bool exchange_looping(bool looping) noexcept {
    return std::exchange(thread_trampoline.looping, looping);
}

/// Resumes `coroutine` and then whatever it hands the thread to, until something suspends.
inline void resume_chain(std::coroutine_handle<> coroutine) noexcept {
    const bool outer = exchange_looping(true);
    coroutine.resume();
    while (void* next = exchange_next(nullptr)) {
        std::coroutine_handle<>::from_address(next).resume();
    }
    exchange_looping(outer);
}

/// The same, but stops before it resumes `last`: true if that is what comes next.
[[nodiscard]] ALOFT_NOINLINE inline bool resume_chain_until(std::coroutine_handle<> coroutine,
                                                            std::coroutine_handle<> last) noexcept {
    const bool outer = exchange_looping(true);
    if (void* left = exchange_next(nullptr)) {
        std::coroutine_handle<>::from_address(left).resume();
    }
    bool reached = false;
    void* next = coroutine.address();
    while (next != nullptr && !reached) {
        std::coroutine_handle<>::from_address(next).resume();
        next = exchange_next(nullptr);
        reached = next == last.address();
    }
    exchange_looping(outer);
    return reached;
}

ALOFT_NOINLINE inline void trampoline_transfer(std::coroutine_handle<> to) noexcept {
    if (!thread_trampoline.looping) {
        resume_chain(to);
        return;
    }
    if (void* left = exchange_next(nullptr)) {
        resume_chain(std::coroutine_handle<>::from_address(left));
    }
    exchange_next(to.address());
}

template <transfer_mode Mode>
using transfer_result =
    std::conditional_t<Mode == transfer_mode::tail_call, std::coroutine_handle<>, void>;

/// The return value of an await_suspend that goes on with `to`.
template <transfer_mode Mode>
[[nodiscard]] ALOFT_ALWAYS_INLINE transfer_result<Mode>
transfer_to(std::coroutine_handle<> to) noexcept {
    if constexpr (Mode == transfer_mode::trampoline) {
        trampoline_transfer(to);
    } else {
        return to;
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

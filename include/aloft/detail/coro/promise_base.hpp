// SPDX-License-Identifier: MIT
// The part of a task's promise that does not depend on its result: who is told when it ends.
// Layer: L1 coro
//
// A task is in one of three relations, fixed before it starts:
//   awaited   on_done == nullptr, owner = the awaiting coroutine, resumed on this thread;
//   child     on_done != nullptr, owner = a join block of when_all: the hook counts down;
//   spawned   on_done != nullptr, owner = the join state, see join_state.hpp.
//
// 1. Before the task starts only its task object touches these fields; once started, `env` and
//    `on_done` are read-only, and `owner` changes only in the spawned relation, atomically.
// 2. The hook runs when the coroutine is suspended at its end, on the thread that ran it. It
//    returns what that thread does next, and may destroy the frame, or let another thread do so:
//    after the hook nothing in the frame is touched.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/frame_allocator.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/transfer.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace aloft::inline ALOFT_ABI::detail {

struct promise_base : work_node {
    using done_hook = std::coroutine_handle<> (*)(promise_base&) noexcept;

    /// In the child relation: how many siblings ended before in the same chain (join_block.hpp). It is
    /// kept in `next`, which a running coroutine does not use, and which lists leave null.
    [[nodiscard]] std::size_t siblings_ended() const noexcept {
        return reinterpret_cast<std::uintptr_t>(next);
    }
    void set_siblings_ended(std::size_t count) noexcept {
        next = reinterpret_cast<work_node*>(count);
    }

    atomic<void*> owner{nullptr}; // until it starts
    // Set when it is going to start, and nothing before.
    done_hook on_done;
    const environment* env;

    ALOFT_ALWAYS_INLINE static void* operator new(std::size_t bytes) {
        return allocate_frame(bytes);
    }
    ALOFT_ALWAYS_INLINE static void operator delete(void* memory, std::size_t bytes) noexcept {
        deallocate_frame(memory, bytes);
    }
};

/// A stranger's coroutine was resumed by a call of somebody else's, who goes on when that returns
/// and may destroy it then. In the trampoline's mode what it awaits must therefore run at once, as
/// it would with a tail call, and not in the loop below; and if that ends at once, the stranger
/// goes on without having been suspended, so that its loops do not grow the stack.
template <transfer_mode Mode, class Parent>
inline constexpr bool runs_at_once =
    Mode == transfer_mode::trampoline && !std::derived_from<Parent, promise_base>;

/// What an await_suspend for a coroutine of Parent returns. With the trampoline never a handle, for which
/// MSVC before 19.50 has no place but the suspended frame.
template <transfer_mode Mode, class Parent>
using suspend_result = std::conditional_t<runs_at_once<Mode, Parent>, bool, transfer_result<Mode>>;

/// Goes on with `to`.
template <transfer_mode Mode, class Parent>
[[nodiscard]] ALOFT_ALWAYS_INLINE suspend_result<Mode, Parent>
transfer_from(std::coroutine_handle<Parent> parent, std::coroutine_handle<> to) noexcept {
    if constexpr (runs_at_once<Mode, Parent>) {
        return to != parent && !resume_chain_until(to, parent);
    } else {
        (void)parent;
        return transfer_to<Mode>(to);
    }
}

/// Leaves the coroutine suspended.
template <transfer_mode Mode, class Parent>
[[nodiscard]] ALOFT_ALWAYS_INLINE suspend_result<Mode, Parent> stay_suspended() noexcept {
    if constexpr (runs_at_once<Mode, Parent>) {
        return true;
    } else if constexpr (Mode == transfer_mode::tail_call) {
        return std::noop_coroutine();
    }
}

template <transfer_mode Mode>
struct final_awaiter {
    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    ALOFT_ALWAYS_INLINE transfer_result<Mode>
    await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
        // Otherwise clang keeps the promise's address in a register from the coroutine's entry on.
        void* frame = ended.address();
        ALOFT_KEEP_SCALAR(frame);
        promise_base& promise = std::coroutine_handle<Promise>::from_address(frame).promise();
        const promise_base::done_hook hook = promise.on_done;
        if (hook == nullptr) {
            return transfer_to<Mode>(
                std::coroutine_handle<>::from_address(promise.owner.load(memory_order_relaxed)));
        }
        return transfer_to<Mode>(hook(promise)); // PUBLISHED
    }

    void await_resume() const noexcept {}
};

} // namespace aloft::inline ALOFT_ABI::detail

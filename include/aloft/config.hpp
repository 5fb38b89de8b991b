// SPDX-License-Identifier: MIT
// What the compiler at hand can and cannot do, as macros with the prefix ALOFT_.
// Layer: L0 base
//
// 1. ALOFT_TRAMPOLINE: 1 where returning a handle from await_suspend is not compiled to a tail
//    call, so that a chain of awaits would grow the stack: GCC without optimisation, and GCC under
//    the address and thread sanitizers. GCC at -O1 and -Og cannot be told from -O2 by a macro; the
//    CMake target and aloft.pc add -foptimize-sibling-calls there, anybody else adds that flag or
//    defines ALOFT_TRAMPOLINE=1. And MSVC before 19.50, which keeps the handle that await_suspend returns
//    in the suspended frame, which another thread may have resumed and destroyed by then: here no
//    await_suspend returns one. Translation units with different values may be linked together:
//    no type's layout depends on it, and the functions that do are never shared between them.
// 2. ALOFT_AWAIT_SUSPEND: clang before 19 may move an awaiter's escaped locals across the
//    suspension when await_suspend is inlined, so there it stays out of line. Elsewhere
//    ALOFT_HOT_AWAIT_SUSPEND is always inlined.
//    ALOFT_CHECK_LIFETIMES: 1 lets clang 19 and later warn of a task that outlives a temporary argument
//    or a capturing lambda. Not by default, because that compiler then refuses every function that
//    returns a task and is no coroutine, std::function among them, unless it is marked
//    ALOFT_CORO_WRAPPER. (ALOFT_CORO_MOVES is for those whose task owns what they were given.)
// 3. ALOFT_SMALL_QUEUES: tests build with queues of four (1) or two entries (2), to reach the
//    overflow paths. It changes layouts and therefore the inline namespace, as ALOFT_MODEL does
//    (detail/base/atomic.hpp), and the address sanitizer, under which frames are not recycled.
// 4. ALOFT_SEPARATE: 1 leaves the scheduler and its backend out of every translation unit but the
//    one that includes separate.hpp, for programs that compile faster. Nothing else depends on it.
// 5. ALOFT_THREAD_LOCAL_INLINE marks what reads a thread_local variable and is short. GCC makes the
//    coroutine's functions out of it before anything is inlined or remembered: every suspension is a
//    return of such a function, and no address lives on behind it. Clang does that afterwards, and
//    may keep the address of a thread_local variable in the frame: there these are not inlined.
// 6. ALOFT_OUT_OF_COROUTINE keeps loops out of the coroutine that awaits: GCC saves the registers that
//    they need whenever the coroutine is entered.
// 7. ALOFT_TASKS_IN_REGISTERS: clang 19 and later pass and return a task as they do a pointer, and who
//    is given one destroys it. So a coroutine that awaits when_all(f(), g()) keeps nothing of the
//    temporaries in its frame. Other compilers do not know how, so functions that return a task have a tag
//    in their names then: objects of such compilers that call each other's fail to link, and do not
//    crash. Where they are to be linked together, 0 for all of them lets clang do as the others do.
// 8. MSVC is untested.
#pragma once

#include <aloft/version.hpp>

/// ALOFT_COLD is for what runs once or hardly ever: it is made small, and compiled faster.
#if defined(__GNUC__) || defined(__clang__)
#define ALOFT_NOINLINE [[gnu::noinline]]
#define ALOFT_COLD [[gnu::cold, gnu::noinline]]
#define ALOFT_ALWAYS_INLINE [[gnu::always_inline]] inline
#else
#define ALOFT_NOINLINE
#define ALOFT_COLD
#define ALOFT_ALWAYS_INLINE inline
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define ALOFT_THREAD_LOCAL_INLINE ALOFT_ALWAYS_INLINE
#define ALOFT_OUT_OF_COROUTINE ALOFT_NOINLINE
#else
#define ALOFT_THREAD_LOCAL_INLINE ALOFT_NOINLINE inline
#define ALOFT_OUT_OF_COROUTINE
#endif

/// Keeps a pointer or a number in a register of its own. Without it two that were just written one by one
/// are copied with one wide load, which has to wait until both stores have left the core.
#if defined(__GNUC__) || defined(__clang__)
#define ALOFT_KEEP_SCALAR(value) asm("" : "+r"(value))
#else
#define ALOFT_KEEP_SCALAR(value) static_cast<void>(value)
#endif

#if defined(__SANITIZE_ADDRESS__)
#define ALOFT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ALOFT_ASAN 1
#endif
#endif
#ifndef ALOFT_ASAN
#define ALOFT_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define ALOFT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ALOFT_TSAN 1
#endif
#endif
#ifndef ALOFT_TSAN
#define ALOFT_TSAN 0
#endif

#ifndef ALOFT_TRAMPOLINE
#if defined(__GNUC__) && !defined(__clang__) && (!defined(__OPTIMIZE__) || ALOFT_ASAN || ALOFT_TSAN)
#define ALOFT_TRAMPOLINE 1
#elif defined(_MSC_VER) && !defined(__clang__) && _MSC_VER < 1950
#define ALOFT_TRAMPOLINE 1
#else
#define ALOFT_TRAMPOLINE 0
#endif
#endif

#if defined(__clang__) && __clang_major__ < 19
#define ALOFT_AWAIT_SUSPEND ALOFT_NOINLINE
#define ALOFT_HOT_AWAIT_SUSPEND ALOFT_NOINLINE
#else
#define ALOFT_AWAIT_SUSPEND
#define ALOFT_HOT_AWAIT_SUSPEND ALOFT_ALWAYS_INLINE
#endif

#ifndef ALOFT_CHECK_LIFETIMES
#define ALOFT_CHECK_LIFETIMES 0
#endif
#if ALOFT_CHECK_LIFETIMES && defined(__clang__) && __clang_major__ >= 19
#define ALOFT_CORO_RETURN_TYPE clang::coro_return_type, clang::coro_lifetimebound,
#define ALOFT_CORO_WRAPPER [[clang::coro_wrapper]]
#define ALOFT_CORO_MOVES clang::coro_wrapper, clang::coro_disable_lifetimebound,
#else
#define ALOFT_CORO_RETURN_TYPE
#define ALOFT_CORO_WRAPPER
#define ALOFT_CORO_MOVES
#endif

#ifndef ALOFT_TASKS_IN_REGISTERS
#if defined(__clang__) && __clang_major__ >= 19 && !defined(_MSC_VER)
#define ALOFT_TASKS_IN_REGISTERS 1
#else
#define ALOFT_TASKS_IN_REGISTERS 0
#endif
#endif
#if ALOFT_TASKS_IN_REGISTERS
#define ALOFT_IN_REGISTERS clang::trivial_abi,
#define ALOFT_REGISTERS_TAG [[gnu::abi_tag("registers")]] // of the first declaration
#else
#define ALOFT_IN_REGISTERS
#define ALOFT_REGISTERS_TAG
#endif

#ifndef ALOFT_SMALL_QUEUES
#define ALOFT_SMALL_QUEUES 0
#endif

#ifndef ALOFT_SEPARATE
#define ALOFT_SEPARATE 0
#endif
#if ALOFT_SEPARATE
#define ALOFT_SEPARABLE
#else
#define ALOFT_SEPARABLE inline
#endif

#if defined(ALOFT_MODEL)
#define ALOFT_ABI v0_1_model
#elif ALOFT_ASAN && ALOFT_SMALL_QUEUES
#define ALOFT_ABI v0_1_asan_small
#elif ALOFT_ASAN
#define ALOFT_ABI v0_1_asan
#elif ALOFT_SMALL_QUEUES
#define ALOFT_ABI v0_1_small
#else
#define ALOFT_ABI v0_1
#endif

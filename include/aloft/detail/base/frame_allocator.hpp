// SPDX-License-Identifier: MIT
// Recycles coroutine frames: a cache per thread, and a shared depot through which full batches
// move.
// Layer: L0 base
//
// Life cycle: a frame is taken from the calling thread's free list of its size class and given back
// to the free list of whichever thread destroys it. Tasks that begin on one thread and end on
// another would drain one cache and fill the other, so a list that reaches two batches hands one to
// the depot, and an empty list takes one from there (frame_depot.hpp).
//
// 1. A free list is touched by its own thread only, without any lock or atomic operation. Its frames
//    say how deep it is, so that no counter is written for each that is taken or given back. Its last
//    frame stays: it is handed out only when a batch takes its place.
// 2. Frames of more than 1 KiB come from operator new each time.
// 3. The thread_local object is trivially destructible; workers call release_thread_frames() before they
//    end. Frames cached by other threads that end go with retire_guard, which is armed before the first
//    frame is cached. Not with MinGW, which may run thread_local destructors twice, and may have freed
//    the thread's variables by then: what such a thread has cached, at most two batches per size class,
//    stays in use.
// 4. Under the address sanitizer nothing is recycled, so that a use after free is seen.
// 5. thread_local storage is reached only inside functions that are not inlined where a compiler
//    might keep its address across a suspension that changes threads (config.hpp, 5).
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/base/frame_cache.hpp>

#if !ALOFT_SEPARATE
#include <aloft/detail/base/frame_cache_definitions.hpp>
#endif

#include <cstddef>
#include <new>

namespace aloft::inline ALOFT_ABI::detail {

[[nodiscard]] constexpr std::size_t frame_class_of(std::size_t bytes) noexcept {
    return (bytes - 1) / frame_class_bytes;
}

[[nodiscard]] ALOFT_THREAD_LOCAL_INLINE void* take_frame(std::size_t size_class) {
    free_frame*& list = thread_frames.lists[size_class];
    free_frame* const frame = list;
    free_frame* const next = frame->next;
    if (next == nullptr) [[unlikely]] {
        return refill_and_allocate_frame(size_class);
    }
    list = next;
    return frame;
}

ALOFT_THREAD_LOCAL_INLINE void put_frame(void* memory, std::size_t size_class) noexcept {
    free_frame*& list = thread_frames.lists[size_class];
    free_frame* const first = list;
    const std::size_t depth = first->depth;
    if (depth >= most_cached_frames) [[unlikely]] {
        deallocate_frame_to_full_list(memory, size_class);
        return;
    }
    list = ::new (memory) free_frame{first, {depth + 1}};
}

// Inlined, because the size is a constant where a coroutine is created or destroyed.

[[nodiscard]] ALOFT_ALWAYS_INLINE void* allocate_frame(std::size_t bytes) {
    const std::size_t size_class = frame_class_of(bytes);
    if (ALOFT_ASAN || size_class >= frame_classes) [[unlikely]] {
        return ::operator new(bytes);
    }
    return take_frame(size_class);
}

ALOFT_ALWAYS_INLINE void deallocate_frame(void* memory, std::size_t bytes) noexcept {
    const std::size_t size_class = frame_class_of(bytes);
    if (ALOFT_ASAN || size_class >= frame_classes) [[unlikely]] {
        ::operator delete(memory);
        return;
    }
    put_frame(memory, size_class);
}

} // namespace aloft::inline ALOFT_ABI::detail

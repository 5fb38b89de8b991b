// SPDX-License-Identifier: MIT
// The definitions of frame_cache.hpp: inline, or, if ALOFT_SEPARATE is set, for one translation unit.
// Layer: L0 base
#pragma once

#include <aloft/detail/base/frame_cache.hpp>
#include <aloft/detail/base/frame_depot.hpp>

#include <cstddef>
#include <new>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

ALOFT_COLD ALOFT_SEPARABLE void release_thread_frames() noexcept {
    for (std::size_t i = 0; i < frame_classes; ++i) {
        free_frame* const frames = std::exchange(thread_frames.lists[i], &no_frames);
        if (frames != &no_frames) {
            depot.put_back(i, frames);
        }
    }
}

struct retire_guard {
    void arm() noexcept {}
    ~retire_guard() {
        release_thread_frames();
        thread_frames.retired = true;
    }
};

/// On threads that are not workers: empties the cache when the thread ends.
ALOFT_NOINLINE inline void arm_retire_guard() noexcept {
#if !defined(__MINGW32__)
    static thread_local retire_guard guard;
    guard.arm();
#endif
    thread_frames.guarded = true;
}

[[nodiscard]] ALOFT_NOINLINE ALOFT_SEPARABLE void*
refill_and_allocate_frame(std::size_t size_class) {
    frame_cache& cache = thread_frames;
    if (!cache.guarded) {
        arm_retire_guard();
    }
    free_frame* const batch = depot.take(size_class);
    if (cache.retired) {
        if (batch->next != nullptr) {
            depot.put_back(size_class, batch->next);
        }
        return batch;
    }
    free_frame*& list = cache.lists[size_class];
    if (list != &no_frames) {
        return std::exchange(list, batch);
    }
    if (batch->next != nullptr) {
        list = batch->next;
    }
    return batch;
}

ALOFT_NOINLINE ALOFT_SEPARABLE void deallocate_frame_to_full_list(void* memory,
                                                                  std::size_t size_class) noexcept {
    frame_cache& cache = thread_frames;
    free_frame*& list = cache.lists[size_class];
    if (cache.retired) {
        depot.put_back(size_class, ::new (memory) free_frame{nullptr, {1}});
        return;
    }
    if (!cache.guarded) {
        arm_retire_guard();
    }
    if (list == &no_frames) {
        list = ::new (memory) free_frame{nullptr, {1}};
        return;
    }
    free_frame* const batch = list;
    free_frame* last = batch;
    for (std::size_t left = frame_batch; left > 1; --left) {
        last->depth = left;
        last = last->next;
    }
    last->depth = 1;
    list = last->next;
    last->next = nullptr;
    depot.put(size_class, batch);
    list = ::new (memory) free_frame{list, {list->depth + 1}};
}

} // namespace aloft::inline ALOFT_ABI::detail

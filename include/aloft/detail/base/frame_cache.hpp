// SPDX-License-Identifier: MIT
// The frames that a thread has at hand, and what is done once per batch of them. How they are used:
// frame_allocator.hpp.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/base/free_frame.hpp>

#include <array>
#include <cstddef>

namespace aloft::inline ALOFT_ABI::detail {

/// How many frames a list holds at most.
inline constexpr std::size_t most_cached_frames = 2 * std::size_t{frame_batch};

/// The last frame of a list that nothing can be taken from or put into.
constinit inline free_frame no_frames{nullptr, {most_cached_frames}};

struct frame_cache {
    std::array<free_frame*, frame_classes> lists{};
    bool guarded = false;
    bool retired = false; // the thread is ending: nothing more is cached

    constexpr frame_cache() noexcept { lists.fill(&no_frames); }
};

constinit inline thread_local frame_cache thread_frames{};

// Where they are inline, that is said where they are defined, because GCC wants `inline` and `noinline`
// in one place.

/// Gives the calling thread's cached frames back to the depot.
void release_thread_frames() noexcept;

/// The list has come to its last frame, or has none.
[[nodiscard]] void* refill_and_allocate_frame(std::size_t size_class);

/// The list is full, or has never been used.
void deallocate_frame_to_full_list(void* memory, std::size_t size_class) noexcept;

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// The scheduler, its backend, the simulated world and what is seldom called, for programs that compile
// them once.
// Layer: L4 surface
//
// A program that defines ALOFT_SEPARATE=1 for all of its files includes this header in exactly one
// of them; the others then compile in less than half of the time. If none does, the linker misses
// open_scheduler. The CMake target aloft::separate does both. Without ALOFT_SEPARATE everything is in the
// headers, and this one does nothing.
#pragma once

#include <aloft/detail/base/frame_cache_definitions.hpp>
#include <aloft/detail/base/throw_error_definitions.hpp>
#include <aloft/detail/runtime/entrance_definitions.hpp>
#include <aloft/detail/runtime/simulated_scheduler.hpp>
#include <aloft/detail/surface/posix_address.hpp>
#include <aloft/detail/surface/posix_resolve.hpp>
#if !defined(_WIN32)
#include <aloft/detail/surface/posix_signal_pipe_definitions.hpp>
#endif

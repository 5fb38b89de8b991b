// SPDX-License-Identifier: MIT
// Runs a function in a child process, for what ends a process, and for limits that cannot be taken back.
#pragma once

#if defined(_WIN32)
#include <support/windows_child_process.hpp>
#else
#include <support/posix_child_process.hpp>
#endif

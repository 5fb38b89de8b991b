// SPDX-License-Identifier: MIT
// Runs what is expected to end the program in a child process, and tells how it ended.
#pragma once

#if defined(_WIN32)
#include "windows_child_process.hpp"
#else
#include "posix_child_process.hpp"
#endif

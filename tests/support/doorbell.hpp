// SPDX-License-Identifier: MIT
// Something that is outside the library, that a task waits for, and that any thread makes ready.
#pragma once

#if defined(_WIN32)
#include <support/windows_doorbell.hpp>
#else
#include <support/posix_doorbell.hpp>
#endif

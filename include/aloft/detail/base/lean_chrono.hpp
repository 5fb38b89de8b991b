// SPDX-License-Identifier: MIT
// Durations, clocks and literals of std::chrono, without its calendars and streams, which take long
// to compile.
// Layer: L0 base
#pragma once

#if __has_include(<bits/chrono.h>)
#include <bits/chrono.h>
#else
#include <chrono>
#endif

// SPDX-License-Identifier: MIT
// The library's version, for the preprocessor and for CMake, which reads it from here.
// Layer: L0 base
#pragma once

#define ALOFT_VERSION_MAJOR 0
#define ALOFT_VERSION_MINOR 1
#define ALOFT_VERSION_PATCH 0

// SPDX-License-Identifier: MIT
// The standard algorithms without their parallel forms, which take long to compile.
// Layer: L0 base
#pragma once

#if __has_include(<bits/stl_algo.h>)
#include <bits/stl_algo.h>
#else
#include <algorithm>
#endif

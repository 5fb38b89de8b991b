// SPDX-License-Identifier: MIT
// std::function without the rest of <functional>, which takes long to compile.
// Layer: L0 base
#pragma once

#if __has_include(<bits/std_function.h>)
#include <bits/std_function.h>
#else
#include <functional>
#endif

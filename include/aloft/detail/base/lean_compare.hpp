// SPDX-License-Identifier: MIT
// std::less without the rest of <functional>, which takes long to compile.
// Layer: L0 base
#pragma once

#if __has_include(<bits/stl_function.h>)
#include <bits/stl_function.h>
#else
#include <functional>
#endif

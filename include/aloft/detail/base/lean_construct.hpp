// SPDX-License-Identifier: MIT
// std::construct_at and destroy_at without the rest of <memory>, which takes long to compile.
// Layer: L0 base
#pragma once

#if __has_include(<bits/stl_construct.h>)
#include <bits/stl_construct.h>
#else
#include <memory>
#endif

// SPDX-License-Identifier: MIT
// std::shared_ptr without the rest of <memory>, which takes long to compile.
// Layer: L0 base
#pragma once

#if __has_include(<bits/shared_ptr.h>)
#include <bits/shared_ptr.h>
#else
#include <memory>
#endif

// SPDX-License-Identifier: MIT
// std::unique_ptr without the rest of <memory>, which takes long to compile. In libstdc++ it brings
// <ostream>, so what every file includes does without it.
// Layer: L0 base
#pragma once

#if __has_include(<bits/unique_ptr.h>)
#include <bits/unique_ptr.h>
#else
#include <memory>
#endif

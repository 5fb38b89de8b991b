// SPDX-License-Identifier: MIT
// Layer: L1
#pragma once

#include <aloft/detail/coro/right.hpp>

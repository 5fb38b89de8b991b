// SPDX-License-Identifier: MIT
// Layer: L1
#pragma once

#include <aloft/runtime.hpp>
#include "gone.hpp"

// SPDX-License-Identifier: MIT
// Purpose; [brackets]; a backslash \ and a "quote" must not confuse the check.
// Layer: L4 surface
#pragma once

#include "detail/base/flag.hpp"

#include <errno.h>
#include <vector>

// SPDX-License-Identifier: MIT
// The scheduler of all tests that do not need one of their own.
#include <aloft/separate.hpp>

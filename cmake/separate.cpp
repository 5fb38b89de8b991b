// SPDX-License-Identifier: MIT
// The scheduler of a program that links aloft::separate.
#include <aloft/separate.hpp>

// SPDX-License-Identifier: MIT
#pragma once

#include <aloft/file.hpp>

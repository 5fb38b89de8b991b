// SPDX-License-Identifier: MIT
#pragma once

#include <aloft/adapters/database.hpp>
#include <aloft/task.hpp>

// SPDX-License-Identifier: MIT
// Layer: L3
#pragma once

#include <aloft/aloft.hpp>
#include <errno.h>
#include <sys/socket.h>
#include <vector>

// SPDX-License-Identifier: MIT
// Layer: L2
#pragma once

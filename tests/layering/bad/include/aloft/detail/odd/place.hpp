// SPDX-License-Identifier: MIT
// Layer: L1
#pragma once

// SPDX-License-Identifier: MIT
// Layer: L3
#pragma once

#pragma once
// SPDX-License-Identifier: MIT
// Layer: L4

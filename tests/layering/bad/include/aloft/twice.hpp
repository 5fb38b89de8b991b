// SPDX-License-Identifier: MIT
// Layer: L0

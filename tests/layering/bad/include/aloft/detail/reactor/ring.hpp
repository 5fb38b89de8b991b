// SPDX-License-Identifier: MIT
// Layer: L2
#pragma once

#include <unistd.h>

inline void use(int* value) {
    *value = 1; // order(ring.publish): release; the entry
    *value = 2; // order(ring.silent): the entry
    *value = 3; // order(ring.both): acq_rel; the entry
    *value = 4; /* order(ring.take): acquire; the entry */
}

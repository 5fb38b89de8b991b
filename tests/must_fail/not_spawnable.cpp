// SPDX-License-Identifier: MIT
// Each statement spawns what cannot be spawned. Exactly one error each.
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>

void start(aloft::runtime& rt) {
    (void)aloft::spawn(42);
    (void)aloft::spawn(rt, 42);
    (void)aloft::spawn([](int) {}, 42);
}

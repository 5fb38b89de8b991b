// SPDX-License-Identifier: MIT
// A task of RESULT.
#include <aloft/task.hpp>

bool wrong(aloft::task<RESULT>& t) {
    return t.valid();
}

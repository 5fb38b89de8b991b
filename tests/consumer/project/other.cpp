// SPDX-License-Identifier: MIT
#include <aloft/aloft.hpp>

aloft::task<int> other_answer();

aloft::task<int> other_answer() {
    co_return 41;
}

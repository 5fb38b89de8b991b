// SPDX-License-Identifier: MIT
#include "support/pool.hpp"

namespace bench {

aloft::runtime_options& pool_options() {
    static aloft::runtime_options options;
    return options;
}

aloft::runtime& pool() {
    static aloft::runtime instance{pool_options()};
    return instance;
}

} // namespace bench

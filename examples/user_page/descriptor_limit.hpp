// SPDX-License-Identifier: MIT How many descriptors this process may open.
#pragma once

#include <sys/resource.h>

#include <cstddef>

namespace user_page {

/// Raises the soft limit to the hard one and returns it.
inline std::size_t raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<std::size_t>(limit.rlim_cur);
}

} // namespace user_page

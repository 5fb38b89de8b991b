// SPDX-License-Identifier: MIT
// The processors that the calling thread may run on.
#pragma once

#if defined(_WIN32)
#include <aloft/detail/reactor/windows_api.hpp>
#else
#include <sched.h>
#endif

#include <vector>

namespace test_support {

[[nodiscard]] inline std::vector<unsigned> processors_of_this_thread() {
    std::vector<unsigned> processors;
#if defined(_WIN32)
    DWORD_PTR allowed = 0;
    DWORD_PTR all = 0;
    (void)::GetProcessAffinityMask(::GetCurrentProcess(), &allowed, &all);
    // Setting tells what it was before, and nothing else does.
    const DWORD_PTR mine = ::SetThreadAffinityMask(::GetCurrentThread(), allowed);
    (void)::SetThreadAffinityMask(::GetCurrentThread(), mine);
    for (unsigned each = 0; each < sizeof mine * 8; ++each) {
        if ((mine >> each & 1) != 0) {
            processors.push_back(each);
        }
    }
#else
    cpu_set_t mine;
    if (::sched_getaffinity(0, sizeof mine, &mine) == 0) {
        for (unsigned each = 0; each < CPU_SETSIZE; ++each) {
            if (CPU_ISSET(each, &mine)) {
                processors.push_back(each);
            }
        }
    }
#endif
    return processors;
}

} // namespace test_support

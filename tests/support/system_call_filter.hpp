// SPDX-License-Identifier: MIT
// A seccomp filter that answers one system call otherwise, for a child process: it cannot be taken back.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <array>
#include <cstddef>

namespace test_support {

/// The calling thread, and those that it starts, are under this filter from now on. False: filters cannot
/// be installed here.
template <std::size_t Count>
[[nodiscard]] bool install_filter(std::array<sock_filter, Count>& code) {
    const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/// The calling thread, and those that it starts, get `answer` (SECCOMP_RET_...) for every such call from
/// now on. False: filters cannot be installed here.
[[nodiscard]] inline bool answer_calls(long number, unsigned answer) {
    std::array<sock_filter, 4> code{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    return install_filter(code);
}

} // namespace test_support

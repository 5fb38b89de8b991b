// SPDX-License-Identifier: MIT
// run_denied <setup|enter> <EPERM|ENOSYS> <program> [argument...]: runs the program where io_uring is
// denied, as containers do it. Returns 4 where filters cannot be installed: skipped.
#include "system_call_filter.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
    const std::string_view call = argc > 3 ? argv[1] : "";
    const std::string_view error = argc > 3 ? argv[2] : "";
    if ((call != "setup" && call != "enter") || (error != "EPERM" && error != "ENOSYS")) {
        std::fputs("run_denied <setup|enter> <EPERM|ENOSYS> <program> [argument...]\n", stderr);
        return 2;
    }
    const unsigned number = error == "EPERM" ? EPERM : ENOSYS;
    if (!test_support::answer_calls(call == "setup" ? SYS_io_uring_setup : SYS_io_uring_enter,
                                    SECCOMP_RET_ERRNO | number)) {
        std::perror("run_denied: seccomp");
        return 4;
    }
    ::execv(argv[3], argv + 3);
    std::perror(argv[3]);
    return 1;
}

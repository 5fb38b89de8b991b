// SPDX-License-Identifier: MIT
// A thread on which io_uring_enter is refused whenever the test says so (seccomp user notification).
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>

namespace test_support {

class refusing_kernel {
public:
    /// Asked for every io_uring_enter of the filtered thread: 0 lets it pass, an error number refuses
    /// it. Called on another thread.
    using policy = std::function<int()>;

    explicit refusing_kernel(policy decide) : decide_(std::move(decide)) {}

    /// Runs `body` on a filtered thread; false, without running it, if filters cannot be installed.
    template <class Body>
    [[nodiscard]] bool run(Body&& body) {
        std::atomic<int> listener{waiting};
        std::thread filtered([&] {
            const int installed = install();
            listener.store(installed);
            if (installed >= 0) {
                body();
            }
        });
        while (listener.load() == waiting) {
            std::this_thread::yield();
        }
        const int fd = listener.load();
        if (fd >= 0) {
            serve(fd);
            ::close(fd);
        }
        filtered.join();
        return fd >= 0;
    }

private:
    static constexpr int waiting = -2;

    [[nodiscard]] static int install() {
        std::array<sock_filter, 4> code{{
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        }};
        const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
            return -1;
        }
        return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                          SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    }

    /// Until the filtered thread has ended.
    void serve(int fd) {
        for (;;) {
            pollfd waiting_for{fd, POLLIN, 0};
            if (::poll(&waiting_for, 1, -1) < 0) {
                continue;
            }
            if ((waiting_for.revents & POLLIN) == 0) {
                return;
            }
            seccomp_notif asked{};
            if (::ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) {
                continue;
            }
            const int error = decide_();
            seccomp_notif_resp answer{};
            answer.id = asked.id;
            answer.error = -error;
            answer.flags =
                error == 0 ? static_cast<std::uint32_t>(SECCOMP_USER_NOTIF_FLAG_CONTINUE) : 0;
            (void)::ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        }
    }

    policy decide_;
};

} // namespace test_support

// SPDX-License-Identifier: MIT
// One epoll instance with an event counter that ends its wait.
// Layer: L2 reactor
//
// 1. Any thread may call anything: the kernel orders it.
// 2. The counter is registered edge-triggered and never read: each write is one event, or joins one
//    that has not been harvested.
// 3. An event carries its descriptor's number and the generation that it was registered with.
#pragma once

#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/reactor/clock.hpp>
#include <aloft/error.hpp>

#include <linux/time_types.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>

namespace aloft::inline ALOFT_ABI::detail {

/// Lets the kernel end the calling thread's waits at their deadlines; it would join them with others
/// within 50 us.
inline void wake_on_time() noexcept {
    (void)::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

class epoll_instance {
public:
    epoll_instance() {
        epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
        if (epoll_ < 0) {
            refuse("epoll_create1");
        }
        wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (wake_ < 0) {
            const int error = errno;
            ::close(epoll_);
            errno = error;
            refuse("eventfd");
        }
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        event.data.u64 = wake_data;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
            const int error = errno;
            ::close(wake_);
            ::close(epoll_);
            errno = error;
            refuse("epoll_ctl");
        }
    }
    epoll_instance(const epoll_instance&) = delete;
    epoll_instance& operator=(const epoll_instance&) = delete;
    ~epoll_instance() {
        ::close(wake_);
        ::close(epoll_);
    }

    /// 0, or the error number.
    [[nodiscard]] int add(int fd, std::uint32_t events, std::uint32_t generation) const noexcept {
        return control(EPOLL_CTL_ADD, fd, events, generation);
    }
    [[nodiscard]] int change(int fd, std::uint32_t events,
                             std::uint32_t generation) const noexcept {
        return control(EPOLL_CTL_MOD, fd, events, generation);
    }

    /// Gives the number of events; 0 also if a signal came. `deadline` 0: does not wait.
    [[nodiscard]] int wait(epoll_event* events, int most, clock_ns deadline) noexcept {
        int count = 0;
        if (deadline == 0) {
            count = ::epoll_wait(epoll_, events, most, 0);
        } else if (deadline == no_deadline) {
            count = ::epoll_wait(epoll_, events, most, -1);
        } else {
            count = wait_until(events, most, std::max<clock_ns>(deadline - now_ns(), 0));
        }
        return std::max(count, 0);
    }

    void wake() const noexcept {
        const std::uint64_t one = 1;
        ssize_t written = 0;
        do {
            written = ::write(wake_, &one, sizeof one);
        } while (written < 0 && errno == EINTR);
    }

    [[nodiscard]] static bool is_wake(const epoll_event& event) noexcept {
        return event.data.u64 == wake_data;
    }
    [[nodiscard]] static int descriptor_of(const epoll_event& event) noexcept {
        return static_cast<int>(event.data.u64 & 0xffff'ffffU);
    }
    [[nodiscard]] static std::uint32_t generation_of(const epoll_event& event) noexcept {
        return static_cast<std::uint32_t>(event.data.u64 >> 32);
    }

private:
    static constexpr std::uint64_t wake_data = ~std::uint64_t{0}; // no descriptor is -1

    [[noreturn]] static void refuse(const char* call) {
        const int error = errno;
        if (error == EMFILE || error == ENFILE) {
            throw_errno(error, std::string(call) +
                                   ": out of file descriptors; raise RLIMIT_NOFILE (ulimit -n) "
                                   "or use fewer threads");
        }
        throw_errno(error, call);
    }

    [[nodiscard]] int control(int how, int fd, std::uint32_t events,
                              std::uint32_t generation) const noexcept {
        epoll_event event{};
        event.events = events;
        event.data.u64 =
            static_cast<std::uint64_t>(generation) << 32 | static_cast<std::uint32_t>(fd);
        return ::epoll_ctl(epoll_, how, fd, &event) == 0 ? 0 : errno;
    }

    [[nodiscard]] int wait_until(epoll_event* events, int most, clock_ns left) noexcept {
#ifdef SYS_epoll_pwait2
        if (fine_.load(std::memory_order_relaxed)) {
            __kernel_timespec time{};
            time.tv_sec = left / 1'000'000'000;
            time.tv_nsec = left % 1'000'000'000;
            const long count =
                ::syscall(SYS_epoll_pwait2, epoll_, events, most, &time, nullptr, std::size_t{8});
            if (count >= 0 || (errno != ENOSYS && errno != EPERM)) {
                return static_cast<int>(count);
            }
            fine_.store(false, std::memory_order_relaxed); // Linux before 5.11, or a filter
        }
#endif
        const clock_ns milliseconds = (left + 999'999) / 1'000'000; // not before the deadline
        return ::epoll_wait(epoll_, events, most,
                            static_cast<int>(std::min<clock_ns>(milliseconds, INT_MAX)));
    }

    int epoll_ = -1;
    int wake_ = -1;
    std::atomic<bool> fine_{true};
};

} // namespace aloft::inline ALOFT_ABI::detail

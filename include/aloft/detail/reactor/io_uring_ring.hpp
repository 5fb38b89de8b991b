// SPDX-License-Identifier: MIT
// One io_uring instance: set up with the features that the reactor relies on, or refused with a
// reason.
// Layer: L2 reactor
//
// 1. ENOMEM (locked memory) halves the ring down to a floor and then is an error; EMFILE is an
//    error, and so is memory that is missing for the probe or the trial read. EPERM, ENOSYS, EINVAL,
//    a missing feature or opcode, and any other failure of the trial read mean that this kernel, or
//    whoever confines the process, does not offer io_uring: ring_unavailable.
// 2. The ring is not inherited by fork(): a child would share, and steal from, the completion
//    queue.
// 3. The owner writes an entry and publishes it by a release of the queue's tail. From then on
//    anybody may hand it to the kernel by enter(): the kernel takes entries under its own lock, and
//    moves the head only when it has read them, so an entry is written again only after that.
// 4. liburing maps and unmaps the queues by raw system calls. That a new ring at the place of an ended
//    one comes after it is the kernel's doing, of which the thread sanitizer is told.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/sanitizer.hpp>
#include <aloft/error.hpp>

#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// io_uring cannot be used here; another backend can.
class ring_unavailable : public std::system_error {
public:
    using std::system_error::system_error;
};

/// Stands for the addresses that ended rings leave to later ones; see 4.
inline char ring_addresses = 0;

/// Of the kernel to a cancellation by a call of its own.
enum class cancel_answer : std::uint8_t { done, not_there, not_possible };

class io_uring_ring {
public:
    ALOFT_COLD explicit io_uring_ring(unsigned entries) {
        entries = std::max(entries, 2U); // an operation and its linked timeout go in together
        for (;; entries /= 2) {
            const int error = try_setup(entries);
            if (error == 0) {
                break;
            }
            if (error == ENOMEM && entries > smallest_entries) {
                continue;
            }
            refuse(error);
        }
        kernel_acquire(&ring_addresses);
        try {
            check();
        } catch (...) {
            kernel_release(&ring_addresses);
            io_uring_queue_exit(&ring_);
            throw;
        }
        (void)io_uring_ring_dontfork(&ring_);
        fix_places();
    }
    io_uring_ring(const io_uring_ring&) = delete;
    io_uring_ring& operator=(const io_uring_ring&) = delete;
    ALOFT_COLD ~io_uring_ring() {
        kernel_release(&ring_addresses);
        io_uring_queue_exit(&ring_);
    }

    [[nodiscard]] io_uring& get() noexcept { return ring_; }
    [[nodiscard]] const io_uring& get() const noexcept { return ring_; }
    [[nodiscard]] unsigned entries() const noexcept { return ring_.sq.ring_entries; }

    // ---- the submission queue; the owner, where nothing else is said ----

    /// Room for this many entries?
    [[nodiscard]] bool has_room(unsigned wanted) const noexcept {
        // acquire: the other end is the kernel, which releases the head behind entries it has read
        const unsigned head =
            std::atomic_ref<unsigned>(*ring_.sq.khead).load(std::memory_order_acquire);
        return ring_.sq.ring_entries - (tail_ - head) >= wanted;
    }

    /// The next entry, cleared; only if there is room. The kernel sees it after publish().
    [[nodiscard]] io_uring_sqe& next_entry() noexcept {
        io_uring_sqe& entry = ring_.sq.sqes[tail_++ & ring_.sq.ring_mask];
        std::memset(&entry, 0, sizeof entry);
        return entry;
    }

    void publish() noexcept {
        // release: the other end is the kernel, which acquires the tail before it reads entries
        std::atomic_ref<unsigned>(*ring_.sq.ktail).store(tail_, std::memory_order_release);
    }

    /// Any thread: entries that the kernel has not taken.
    [[nodiscard]] unsigned unsubmitted() const noexcept {
        return std::atomic_ref<unsigned>(*ring_.sq.ktail).load(std::memory_order_relaxed) -
               std::atomic_ref<unsigned>(*ring_.sq.khead).load(std::memory_order_relaxed);
    }

    /// Any thread: whether the kernel asks the owner to come and run what it has ready for it.
    [[nodiscard]] bool calls_for_entry() const noexcept {
        return (std::atomic_ref<unsigned>(*ring_.sq.kflags).load(std::memory_order_relaxed) &
                (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
    }

    // ---- entering the kernel ----

    /// Any thread: hands over what is published, and runs what the kernel has ready for the calling
    /// thread. Refusals (EBUSY, EAGAIN, EINTR) leave the entries in the queue.
    void enter_as_guest() noexcept {
        (void)::syscall(__NR_io_uring_enter, ring_.ring_fd, unsubmitted(), 0U,
                        IORING_ENTER_GETEVENTS, nullptr, std::size_t{0});
    }

    /// The owner: the same, with a descriptor that it need not look up.
    void enter() noexcept {
        (void)::syscall(__NR_io_uring_enter, ring_.enter_ring_fd, unsubmitted(), 0U,
                        IORING_ENTER_GETEVENTS | enter_flags_, nullptr, std::size_t{0});
    }

    /// The owner: the same, and waits for an answer, at most this long if a time is given.
    void enter_and_wait(__kernel_timespec* at_most) noexcept {
        io_uring_getevents_arg argument{};
        argument.ts = reinterpret_cast<std::uintptr_t>(at_most);
        (void)::syscall(__NR_io_uring_enter, ring_.enter_ring_fd, unsubmitted(), 1U,
                        IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | enter_flags_, &argument,
                        sizeof argument);
    }

    /// The owner, once: lets the kernel keep the ring at hand for this thread. Best effort.
    void register_owner() noexcept {
        if (io_uring_register_ring_fd(&ring_) == 1) {
            enter_flags_ = IORING_ENTER_REGISTERED_RING;
        }
    }

    /// Any thread: cancels at once what was submitted with this user data.
    [[nodiscard]] cancel_answer cancel_now(std::uint64_t user_data) noexcept {
        io_uring_sync_cancel_reg request{};
        request.addr = user_data;
        request.fd = -1;
        request.timeout.tv_sec = 0;
        request.timeout.tv_nsec = 0;
        const long answer = ::syscall(__NR_io_uring_register, ring_.ring_fd,
                                      IORING_REGISTER_SYNC_CANCEL, &request, 1U);
        if (answer >= 0) {
            return cancel_answer::done;
        }
        return errno == EINVAL   ? cancel_answer::not_possible
               : errno == ENOENT ? cancel_answer::not_there
                                 : cancel_answer::done; // it runs, and has been told
    }

    /// One read through the ring, from a pipe: setup that succeeds is not yet a ring that works.
    ALOFT_COLD void trial_read() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
            throw_errno(errno, "pipe2");
        }
        char got = 0;
        const char sent = 'x';
        int answer = ::write(ends[1], &sent, 1) == 1 ? 0 : -errno;
        if (answer == 0) {
            io_uring_sqe& sqe = next_entry();
            io_uring_prep_read(&sqe, ends[0], &got, 1, static_cast<__u64>(-1));
            io_uring_sqe_set_data64(&sqe, 0);
            publish();
            answer = answer_of_trial();
        }
        ::close(ends[0]);
        ::close(ends[1]);
        if (answer != 1 || got != sent) {
            refuse_for_want_of_memory(-answer);
            throw ring_unavailable(system_error_code(answer < 0 ? -answer : EIO),
                                   "io_uring: a trial read failed");
        }
    }

private:
    static constexpr unsigned smallest_entries = 8;

    int try_setup(unsigned entries) noexcept {
        io_uring_params params;
        std::memset(&params, 0, sizeof params);
        params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN |
                       IORING_SETUP_TASKRUN_FLAG;
        params.cq_entries = entries * 4;
        return -io_uring_queue_init_params(entries, &ring_, &params);
    }

    [[noreturn]] ALOFT_COLD static void refuse(int error) {
        switch (error) {
        case EPERM:
        case EACCES:
        case ENOSYS:
        case EINVAL:
            throw ring_unavailable(system_error_code(error), "io_uring_setup");
        case ENOMEM:
            throw_errno(error, "io_uring_setup: not enough locked memory even for a small ring; "
                               "raise RLIMIT_MEMLOCK (ulimit -l) or use fewer threads");
        case EMFILE:
        case ENFILE:
            throw_errno(error, "io_uring_setup: out of file descriptors; raise RLIMIT_NOFILE "
                               "(ulimit -n) or use fewer threads");
        default:
            throw_errno(error, "io_uring_setup");
        }
    }

    ALOFT_COLD static void refuse_for_want_of_memory(int error) {
        if (error == ENOMEM || error == EAGAIN || error == EBUSY) {
            throw_errno(error,
                        "io_uring: the kernel has no memory for a first operation; raise the "
                        "memory limit of the control group");
        }
    }

    /// Hands the trial over, waits, and gives its result or the error of entering. A call that is
    /// interrupted may have handed it over or not.
    [[nodiscard]] ALOFT_COLD int answer_of_trial() noexcept {
        io_uring_cqe* cqe = nullptr;
        while (io_uring_peek_cqe(&ring_, &cqe) != 0) {
            if (::syscall(__NR_io_uring_enter, ring_.ring_fd, unsubmitted(), 1U,
                          IORING_ENTER_GETEVENTS, nullptr, std::size_t{0}) < 0 &&
                errno != EINTR) {
                return -errno;
            }
        }
        const int result = cqe->res;
        io_uring_cqe_seen(&ring_, cqe);
        return result;
    }

    ALOFT_COLD void check() {
        constexpr unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG |
                                    IORING_FEAT_FAST_POLL | IORING_FEAT_RW_CUR_POS;
        if ((ring_.features & needed) != needed) {
            throw ring_unavailable(std::make_error_code(std::errc::not_supported),
                                   "io_uring: the kernel lacks a needed feature");
        }
        constexpr unsigned most_opcodes = 256;
        alignas(io_uring_probe)
            std::array<std::byte, sizeof(io_uring_probe) + most_opcodes * sizeof(io_uring_probe_op)>
                room{};
        auto* const probe = reinterpret_cast<io_uring_probe*>(room.data());
        if (const int error = -io_uring_register_probe(&ring_, probe, most_opcodes); error != 0) {
            refuse_for_want_of_memory(error);
            throw ring_unavailable(system_error_code(error),
                                   "io_uring: the kernel cannot be probed");
        }
        bool complete = true;
        for (const int opcode :
             {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_RECV,
              IORING_OP_SEND, IORING_OP_ACCEPT, IORING_OP_CONNECT, IORING_OP_OPENAT,
              IORING_OP_CLOSE, IORING_OP_FSYNC, IORING_OP_STATX, IORING_OP_POLL_ADD,
              IORING_OP_ASYNC_CANCEL, IORING_OP_LINK_TIMEOUT}) {
            complete = complete && io_uring_opcode_supported(probe, opcode) != 0;
        }
        if (!complete) {
            throw ring_unavailable(std::make_error_code(std::errc::not_supported),
                                   "io_uring: the kernel lacks a needed operation");
        }
    }

    /// Entry i of the queue is always in place i.
    void fix_places() noexcept {
        if (ring_.sq.array != nullptr) {
            for (unsigned i = 0; i < ring_.sq.ring_entries; ++i) {
                ring_.sq.array[i] = i;
            }
        }
        tail_ = *ring_.sq.ktail;
    }

    io_uring ring_{};
    unsigned tail_ = 0;
    unsigned enter_flags_ = 0;
};

} // namespace aloft::inline ALOFT_ABI::detail

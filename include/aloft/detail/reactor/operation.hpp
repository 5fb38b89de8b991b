// SPDX-License-Identifier: MIT
// The record of one operation that the operating system works on, as every backend sees it.
// Layer: L2 reactor
//
// The record lives in the awaiter, inside the coroutine's frame. Phases:
//
//   idle --submit--> in_flight --answer--> finished            (in a queue, or being resumed)
//        in_flight --cancel--> cancel_listed --sent--> cancel_sent --its answer--> in_flight
//        cancel_listed --answer--> finished                    (unlinked by whoever reaps)
//        in_flight, cancel_* --abandon flag--> ... --last answer--> released (awaiter may go)
//
// Who may touch what:
// 1. idle: the awaiter, everything.
// 2. From submit on, the arguments belong to the backend until the phase is finished or released.
// 3. `phase` is atomic. What cancelling does to it, and `next_cancel`: cancel_list.hpp.
// 4. `answers`, `result` and the transition to finished belong to whoever holds the home reactor's
//    reap lock. The operation is finished when every answer it owes has come: its own, that of its
//    linked timeout, and that of a cancellation that was sent. So the kernel holds no reference to
//    the record any more, not even by number: a late cancellation cannot hit another operation that
//    was given the same address.
// 5. finished: pushed once to the reaper's list; then it belongs to the worker that resumes it.
// 6. `abandoned` is set by an awaiter that is destroyed in flight, which then passes the reap lock: an
//    operation whose finisher has not seen the mark is finished by then, which ends the program. Otherwise
//    it waits for `released`, which the reaper stores as its last touch instead of pushing the operation.
// 7. `stop_wanted` and `stoppable`, which is set before the operation starts, are for a stop request
//    that comes from any thread, at any time (request_stop). Whoever stops sets stop_wanted and then
//    looks at the phase; whoever submits sets the phase and then looks at stop_wanted: one of the two
//    sees the other, so the operation is cancelled by its home, or never reaches the kernel. Hence
//    cancel() may come while submit() still runs: what the kernel does not know yet stays listed.
// 8. Success beats a late cancellation: the result is the operation's own.
// 9. This is how it is with a ring. Where there is none, the phases are in_flight, finished and
//    released only, `answers` says where the operation is (epoll.hpp, iocp.hpp), and operation_end.hpp
//    orders `abandoned` against the phase. One that ends where it is submitted
//    (reactor::submit_or_end) stays idle.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/work_node.hpp>
#if defined(_WIN32)
#include <aloft/detail/reactor/start_handoff.hpp>
#endif

#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

class reactor;

enum class operation_kind : std::uint8_t {
    read,            // fd, address, length, offset (current_position: the file's own)
    write,           // fd, address, length, offset
    read_vector,     // fd, address = iovec array, length = count, offset
    write_vector,    // fd, address = iovec array, length = count, offset
    receive,         // fd, address, length, flags
    send,            // fd, address, length, flags
    receive_message, // fd, address = datagram_message, length = room
    send_message,    // fd, address = datagram_message, length, flags
    accept,          // fd, address = sockaddr, second = its length, flags
    connect,         // fd, address = sockaddr, offset = its length
    open,            // address = path, flags, length = permissions
    close,           // fd
    sync,            // fd, flags: 1 = data only
    file_size,       // fd, address = the platform's status record
    poll,            // fd, flags = poll bits
};

inline constexpr std::uint64_t current_position = ~std::uint64_t{0};

enum class operation_phase : std::uint8_t {
    idle,
    in_flight,
    cancel_listed,
    cancel_sent,
    finished,
    released
};

struct operation;

/// A relative time limit; begins like the kernel's timespec. One operation at a time has it.
struct time_limit {
    std::int64_t seconds = 0;
    long long nanoseconds = 0;
    // the backend's, where the kernel does not watch the time (limit_list.hpp)
    mutable operation* owner = nullptr;
    mutable const time_limit* next = nullptr;
    mutable const time_limit* previous = nullptr;
    mutable std::int64_t deadline = 0;
};

#if defined(_WIN32)
/// What a completion port needs of an operation in flight: Windows' OVERLAPPED, told without its
/// headers, and the list of what is in flight (iocp.hpp).
struct completion_record {
    std::uintptr_t internal = 0;
    std::uintptr_t internal_high = 0;
    std::uint32_t offset = 0;
    std::uint32_t offset_high = 0;
    void* event = nullptr;
    operation* self = nullptr;
    operation* next = nullptr;
    operation* previous = nullptr;
    start_handoff handoff;
};
#endif

struct operation : work_node {
    // arguments
    void* address = nullptr;
    void* second = nullptr;
    std::uint64_t offset = 0;
    const time_limit* limit = nullptr; // nullptr: none
    int fd = -1;
    std::uint32_t length = 0;
    std::uint32_t flags = 0;
    // state
    std::int32_t result = 0; // >= 0, or the negated error number
    reactor* home = nullptr;
    operation* next_cancel = nullptr;
    operation_kind kind = operation_kind::read;
    std::uint8_t answers = 0; // bits of answer_bit that are still owed; see 9
    bool timed_out = false;   // the linked timeout ended it
    bool stoppable = false;
    atomic<bool> stop_wanted{false};
    atomic<bool> abandoned{false};
    atomic<operation_phase> phase{operation_phase::idle};
#if defined(_WIN32)
    completion_record completion;
#endif

    operation() = default;
    /// Only before it is submitted.
    operation(const operation& other) noexcept
        : work_node(),
          address(other.address),
          second(other.second),
          offset(other.offset),
          limit(other.limit),
          fd(other.fd),
          length(other.length),
          flags(other.flags),
          kind(other.kind) {}
    operation& operator=(const operation&) = delete;
};

namespace answer_bit {
inline constexpr std::uint8_t own = 1;
inline constexpr std::uint8_t timeout = 2;
} // namespace answer_bit

} // namespace aloft::inline ALOFT_ABI::detail

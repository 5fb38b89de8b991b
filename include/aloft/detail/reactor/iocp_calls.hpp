// SPDX-License-Identifier: MIT
// The system calls that start an operation on a completion port, and those that may block.
// Layer: L2 reactor
//
// Arguments that differ from those of operation.hpp: `second` of an accept is the number of the socket
// that is to be connected, and `offset` the address of its listener's flag; `address` of an open is a
// wide path, and of file_size a std::uint64_t; `offset` of all ones appends to a file; `flags` of a read
// or write tells a pipe from a file.
#pragma once

#if defined(_WIN32)

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/reactor/datagram.hpp>
#include <aloft/detail/reactor/operation.hpp>
#include <aloft/detail/reactor/windows_handle.hpp>
#include <aloft/detail/reactor/windows_pipe.hpp>

#include <winternl.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

static_assert(sizeof(OVERLAPPED) == offsetof(completion_record, self));
static_assert(offsetof(OVERLAPPED, hEvent) == offsetof(completion_record, event));

[[nodiscard]] inline OVERLAPPED* overlapped_of(operation& op) noexcept {
    return reinterpret_cast<OVERLAPPED*>(&op.completion);
}

[[nodiscard]] inline operation& operation_of(OVERLAPPED* overlapped) noexcept {
    return *reinterpret_cast<completion_record*>(overlapped)->self;
}

/// `flags` of a read or a write.
inline constexpr std::uint32_t pipe_transfer = 1;

/// The answer of a read from a pipe to a write of no bytes, which is not the end.
inline constexpr std::int32_t nothing_came = -ERROR_RETRY;

/// Has an end without the kernel, which would wait, or show the other end of a pipe a write of no bytes.
[[nodiscard]] inline bool transfers_nothing(const operation& op) noexcept {
    return op.length == 0 && (op.kind == operation_kind::receive || op.flags == pipe_transfer);
}

/// What may block and is not overlapped.
[[nodiscard]] inline bool is_long_call(operation_kind kind) noexcept {
    return kind == operation_kind::open || kind == operation_kind::close ||
           kind == operation_kind::sync;
}

struct open_arguments {
    const wchar_t* path;
    DWORD access;
    DWORD disposition;
    DWORD flags;
};

/// On a helper's thread. 0 or more, or the negated error.
[[nodiscard]] inline std::int32_t make_long_call(operation& op) noexcept {
    bool good = false;
    if (op.kind == operation_kind::open) {
        const auto& how = *static_cast<const open_arguments*>(op.address);
        const HANDLE opened = ::CreateFileW(
            how.path, how.access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
            how.disposition, how.flags | FILE_FLAG_OVERLAPPED, nullptr);
        if (opened != INVALID_HANDLE_VALUE) {
            return number_of_file(opened);
        }
    } else if (op.kind == operation_kind::close) {
        good = close_number(op.fd);
    } else {
        good = ::FlushFileBuffers(handle_of(op.fd)) != 0;
    }
    return good ? 0 : -static_cast<std::int32_t>(::GetLastError());
}

[[nodiscard]] inline LPFN_CONNECTEX connect_function(SOCKET socket) noexcept {
    static atomic<LPFN_CONNECTEX> known{nullptr};
    LPFN_CONNECTEX function = known.load(std::memory_order_relaxed);
    if (function == nullptr) {
        GUID wanted = WSAID_CONNECTEX;
        DWORD bytes = 0;
        if (::WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &wanted, sizeof wanted,
                       &function, sizeof function, &bytes, nullptr, nullptr) != 0) {
            return nullptr;
        }
        known.store(function, std::memory_order_relaxed);
    }
    return function;
}

inline constexpr std::int32_t will_be_answered = 1;

/// will_be_answered: a packet comes, perhaps has come. Else the negated error, and no packet comes.
[[nodiscard]] inline std::int32_t start_call(operation& op) noexcept {
    OVERLAPPED* const overlapped = overlapped_of(op);
    const auto begun = [](bool at_once) {
        const auto error = at_once ? DWORD{ERROR_SUCCESS} : ::GetLastError();
        return at_once || error == ERROR_IO_PENDING ? will_be_answered
                                                    : -static_cast<std::int32_t>(error);
    };
    WSABUF buffer{op.length, static_cast<char*>(op.address)};
    DWORD bytes = 0;
    DWORD flags = 0;
    switch (op.kind) {
    case operation_kind::read:
    case operation_kind::write:
        overlapped->Offset = static_cast<DWORD>(op.offset);
        overlapped->OffsetHigh = static_cast<DWORD>(op.offset >> 32);
        return begun(
            op.kind == operation_kind::read
                ? ::ReadFile(handle_of(op.fd), op.address, op.length, nullptr, overlapped)
                : ::WriteFile(handle_of(op.fd), op.address, op.length, nullptr, overlapped));
    case operation_kind::receive:
        return begun(
            ::WSARecv(socket_of(op.fd), &buffer, 1, nullptr, &flags, overlapped, nullptr) == 0);
    case operation_kind::send:
        return begun(::WSASend(socket_of(op.fd), &buffer, 1, nullptr, 0, overlapped, nullptr) == 0);
    case operation_kind::receive_message: {
        auto& message = *static_cast<datagram_message*>(op.address);
        return begun(::WSARecvFrom(socket_of(op.fd), message.parts(), 2, nullptr, message.flags(),
                                   message.name(), message.name_length(), overlapped,
                                   nullptr) == 0);
    }
    case operation_kind::send_message: {
        auto& message = *static_cast<datagram_message*>(op.address);
        if (message.size() > longest_datagram(false)) {
            return -WSAEMSGSIZE; // Wine would give this, and a packet too
        }
        return begun(::WSASendTo(socket_of(op.fd), message.parts(), 1, nullptr, 0, message.name(),
                                 *message.name_length(), overlapped, nullptr) == 0);
    }
    case operation_kind::accept: {
        const SOCKET accepted = static_cast<SOCKET>(reinterpret_cast<std::uintptr_t>(op.second));
        const DWORD room = op.length;
        return begun(
            ::AcceptEx(socket_of(op.fd), accepted, op.address, 0, room, room, &bytes, overlapped));
    }
    case operation_kind::connect: {
        const LPFN_CONNECTEX connect = connect_function(socket_of(op.fd));
        return begun(connect != nullptr &&
                     connect(socket_of(op.fd), static_cast<const sockaddr*>(op.address),
                             static_cast<int>(op.offset), nullptr, 0, nullptr, overlapped));
    }
    default:
        return -ERROR_NOT_SUPPORTED;
    }
}

/// Whether what an accept waits for has been closed: the listener's flag, which is set before its
/// operations are cancelled.
[[nodiscard]] inline bool is_closed_meanwhile(const operation& op) noexcept {
    return op.kind == operation_kind::accept && op.offset != 0 &&
           reinterpret_cast<const std::atomic<bool>*>(static_cast<std::uintptr_t>(op.offset))
               ->load(std::memory_order_seq_cst);
}

/// Makes an error into the end of the file where it means that.
[[nodiscard]] inline std::int32_t without_end_of_file(const operation& op,
                                                      std::int32_t answer) noexcept {
    const bool ended = answer == -ERROR_HANDLE_EOF || answer == -ERROR_BROKEN_PIPE;
    return ended && op.kind == operation_kind::read ? 0 : answer;
}

/// The answer that a packet brought.
[[nodiscard]] inline std::int32_t answer_of(const operation& op) noexcept {
    const auto status = static_cast<NTSTATUS>(op.completion.internal);
    if (status >= 0) {
        if (op.kind == operation_kind::read && op.flags == pipe_transfer &&
            op.completion.internal_high == 0) {
            return nothing_came;
        }
        return static_cast<std::int32_t>(op.completion.internal_high);
    }
    return without_end_of_file(op, -static_cast<std::int32_t>(::RtlNtStatusToDosError(status)));
}

inline void cancel_call(operation& op) noexcept {
    (void)::CancelIoEx(handle_of(op.fd), overlapped_of(op)); // not found: the answer is on its way
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif

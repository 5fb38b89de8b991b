// SPDX-License-Identifier: MIT
// pipe, pipe_reader and pipe_writer: bytes from one task, or one process, to another.
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/byte_stream.hpp>
#if defined(_WIN32)
#include <aloft/detail/surface/windows_pipe.hpp>
#else
#include <aloft/detail/surface/posix_pipe.hpp>
#endif
#include <aloft/task.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

namespace aloft::inline ALOFT_ABI {

struct pipe_ends;
[[nodiscard]] inline pipe_ends pipe();

/// Purpose: the end of a pipe that bytes come out of. Also for what others have opened and is read
/// in the same way: standard input, a child's output, a terminal.
///
/// Thread safety: one read may be in flight at a time. close(), release() and the destructor may not
/// be called beside it.
/// Lifetime: owns the descriptor; must outlive its operations, as must the buffers.
/// Errors: co_await throws std::system_error that names the operation; the end of the stream, when
/// every writer is closed and all is read, is 0 from read_some, and std::errc::message_size from
/// read_exact.
/// Cancellation: operations end with std::errc::operation_canceled when the task is stopped or the
/// runtime ends; no byte is lost by that. What was read before is reported as success.
/// Cost: one ring operation per read_some, no allocation; read_exact uses one recycled frame, on
/// Windows read_some, too.
class pipe_reader {
public:
    /// Not open.
    pipe_reader() noexcept = default;

    /// Takes over an end that somebody else has opened: `pipe_reader::adopt(STDIN_FILENO)`. Its flags
    /// stay as they are, because others may share them. On Windows it is a handle's number, and the
    /// handle has to have been opened with FILE_FLAG_OVERLAPPED. Throws std::system_error if it is no
    /// open descriptor; then it stays the caller's.
    [[nodiscard]] static pipe_reader adopt(int fd) {
        return pipe_reader(detail::adopt_pipe_end(fd, "pipe_reader::adopt"));
    }

    /// Reads what is there, at least one byte unless the stream has ended (0) or `buffer` is empty.
    ALOFT_CORO_WRAPPER [[nodiscard]] auto read_some(std::span<std::byte> buffer) const {
        return detail::read_from_pipe(fd_.get(), buffer);
    }
    ALOFT_CORO_WRAPPER [[nodiscard]] auto read_some(std::span<char> buffer) const {
        return read_some(std::as_writable_bytes(buffer));
    }

    /// Fills `buffer`; gives its size.
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t>
    read_exact(std::span<std::byte> buffer) const {
        return detail::read_exactly(*this, buffer);
    }
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t> read_exact(std::span<char> buffer) const {
        return read_exact(std::as_writable_bytes(buffer));
    }

    /// Closes it: writers get std::errc::broken_pipe from now on. No operation may be in flight.
    void close() noexcept { fd_.reset(); }
    [[nodiscard]] bool is_open() const noexcept { return fd_.valid(); }

    /// The descriptor; it stays owned by the reader.
    [[nodiscard]] int native_handle() const noexcept { return fd_.get(); }

    /// Gives the descriptor away, and is not open any more. No operation may be in flight.
    [[nodiscard]] int release() noexcept { return detail::release_pipe_end(fd_); }

private:
    friend pipe_ends pipe();
    explicit pipe_reader(detail::descriptor fd) noexcept : fd_(std::move(fd)) {}

    detail::descriptor fd_;
};

/// Purpose: the end of a pipe that bytes go into.
///
/// Thread safety: one write may be in flight at a time. close(), release() and the destructor may not
/// be called beside it.
/// Lifetime: owns the descriptor; must outlive its operations, as must the buffers.
/// Errors: co_await throws std::system_error that names the operation. Writing when every reader is
/// closed is std::errc::broken_pipe, never a signal.
/// Cancellation: operations end with std::errc::operation_canceled when the task is stopped or the
/// runtime ends. What was written before is reported as success; but write_all does not tell how
/// much that was, and on Windows the reader may have got a part of a write_some that was stopped.
/// Cost: one ring operation per write_some, no allocation; write_all uses one recycled frame.
class pipe_writer {
public:
    /// Not open.
    pipe_writer() noexcept = default;

    /// Takes over an end that somebody else has opened, as pipe_reader::adopt does.
    [[nodiscard]] static pipe_writer adopt(int fd) {
        return pipe_writer(detail::adopt_pipe_end(fd, "pipe_writer::adopt"));
    }

    /// Writes some of `buffer`, at least one byte unless it is empty; gives how many bytes.
    [[nodiscard]] auto write_some(std::span<const std::byte> buffer) const noexcept {
        return detail::io_awaitable(detail::pipe_write_request(fd_.get(), buffer));
    }
    [[nodiscard]] auto write_some(std::string_view text) const noexcept {
        return write_some(detail::bytes_of(text));
    }
    template <detail::character_range Range>
    [[nodiscard]] auto write_some(const Range& characters) const noexcept {
        return write_some(detail::bytes_of(characters));
    }

    /// Writes all of `buffer`; gives its size.
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t>
    write_all(std::span<const std::byte> buffer) const {
        return detail::write_everything(*this, buffer);
    }
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t> write_all(std::string_view text) const {
        return write_all(detail::bytes_of(text));
    }
    template <detail::character_range Range>
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t> write_all(const Range& characters) const {
        return write_all(detail::bytes_of(characters));
    }

    /// Closes it: when no writer is open, the reader finds the end. No operation may be in flight.
    void close() noexcept { fd_.reset(); }
    [[nodiscard]] bool is_open() const noexcept { return fd_.valid(); }

    /// The descriptor; it stays owned by the writer.
    [[nodiscard]] int native_handle() const noexcept { return fd_.get(); }

    /// Gives the descriptor away, and is not open any more. No operation may be in flight.
    [[nodiscard]] int release() noexcept { return detail::release_pipe_end(fd_); }

private:
    friend pipe_ends pipe();
    explicit pipe_writer(detail::descriptor fd) noexcept : fd_(std::move(fd)) {}

    detail::descriptor fd_;
};

/// What pipe() gives; a plain value of two ends.
struct pipe_ends {
    pipe_reader reader;
    pipe_writer writer;
};

/// Purpose: makes a pipe: `auto [reader, writer] = pipe();` Child processes do not inherit it.
/// On Windows, where anonymous pipes cannot be awaited, it is a named one that nobody else can open.
///
/// Thread safety: any thread.
/// Errors: std::system_error, such as std::errc::too_many_files_open.
/// Cost: one system call, on Windows two.
[[nodiscard]] inline pipe_ends pipe() {
    detail::descriptor_pair ends = detail::open_pipe();
    return {pipe_reader(std::move(ends.read)), pipe_writer(std::move(ends.write))};
}

} // namespace aloft::inline ALOFT_ABI

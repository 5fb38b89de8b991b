// SPDX-License-Identifier: MIT
// file, read_file, write_file: files whose operations do not hold a thread.
// Layer: L4 surface
#pragma once

#include <aloft/detail/surface/byte_stream.hpp>
#if defined(_WIN32)
#include <aloft/detail/surface/windows_file.hpp>
#else
#include <aloft/detail/surface/posix_file.hpp>
#endif
#include <aloft/file_mode.hpp>
#include <aloft/file_path.hpp>
#include <aloft/task.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI {

/// Purpose: an open file; also devices and pipes that have a path. Opening a pipe does not wait for
/// its other end (for writing it fails with ENXIO without one), and offsets mean nothing there.
///
/// Thread safety: read_at and write_at may be in flight any number at once; the forms without an
/// offset share the file's position, one at a time.
/// Lifetime: owns the descriptor; must outlive its operations, as must the buffers.
/// Errors: co_await throws std::system_error that names operation and file (open names the path).
/// Reading at the end gives 0; transfers may be short.
/// Cancellation: std::errc::operation_canceled when the task is stopped or the runtime ends, if the
/// kernel had not begun.
/// Cost: a page-cached read is one system call and no trip through the scheduler; everything else
/// is one ring operation, reads with open_mode::direct too. No allocation but the path's.
class file {
public:
    file() noexcept = default;

    class open_request : public detail::open_request {
    public:
        using value_type = file;
        using detail::open_request::open_request;
        [[nodiscard]] file finish(std::int32_t fd) const {
            detail::descriptor opened = detail::open_request::finish(fd);
            return file(std::move(opened), state());
        }
    };

    /// `auto f = co_await file::open(std::move(path), open_mode::read);` New files get mode 0666 less the
    /// umask.
    [[nodiscard]] static auto open(file_path path, open_mode mode = open_mode::read) {
        return detail::io_awaitable(open_request(std::move(path).string(), mode));
    }

    /// Reads into `buffer` from `offset` bytes behind the beginning.
    [[nodiscard]] auto read_at(std::uint64_t offset, std::span<std::byte> buffer) const noexcept {
        return detail::io_awaitable(detail::file_read_request(fd_.get(), state_, buffer, offset));
    }
    [[nodiscard]] auto read_at(std::uint64_t offset, std::span<char> buffer) const noexcept {
        return read_at(offset, std::as_writable_bytes(buffer));
    }

    /// Writes `buffer` to `offset` bytes behind the beginning.
    [[nodiscard]] auto write_at(std::uint64_t offset,
                                std::span<const std::byte> buffer) const noexcept {
        return detail::io_awaitable(detail::file_write_request(fd_.get(), state_, buffer, offset));
    }
    [[nodiscard]] auto write_at(std::uint64_t offset, std::string_view text) const noexcept {
        return write_at(offset, detail::bytes_of(text));
    }
    template <detail::character_range Range>
    [[nodiscard]] auto write_at(std::uint64_t offset, const Range& characters) const noexcept {
        return write_at(offset, detail::bytes_of(characters));
    }

    /// Reads at the file's position and moves it.
    [[nodiscard]] auto read_some(std::span<std::byte> buffer) const noexcept {
        return read_at(detail::current_position, buffer);
    }
    [[nodiscard]] auto read_some(std::span<char> buffer) const noexcept {
        return read_some(std::as_writable_bytes(buffer));
    }
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t>
    read_exact(std::span<std::byte> buffer) const {
        return detail::read_exactly(*this, buffer);
    }
    ALOFT_CORO_WRAPPER [[nodiscard]] task<std::size_t> read_exact(std::span<char> buffer) const {
        return read_exact(std::as_writable_bytes(buffer));
    }

    /// Writes at the file's position and moves it.
    [[nodiscard]] auto write_some(std::span<const std::byte> buffer) const noexcept {
        return write_at(detail::current_position, buffer);
    }
    [[nodiscard]] auto write_some(std::string_view text) const noexcept {
        return write_some(detail::bytes_of(text));
    }
    template <detail::character_range Range>
    [[nodiscard]] auto write_some(const Range& characters) const noexcept {
        return write_some(detail::bytes_of(characters));
    }
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

    /// Waits until the data, and the file's size and times, are on the disk.
    [[nodiscard]] auto sync() const noexcept {
        return detail::io_awaitable(detail::file_sync_request(fd_.get(), false));
    }
    /// Waits until the data is on the disk.
    [[nodiscard]] auto sync_data() const noexcept {
        return detail::io_awaitable(detail::file_sync_request(fd_.get(), true));
    }

    /// In bytes.
    [[nodiscard]] auto size() const noexcept {
        return detail::io_awaitable(detail::file_size_request(fd_.get()));
    }

    /// Closes without blocking a worker (closing may write); the destructor closes too, but blocks.
    [[nodiscard]] auto close() noexcept {
        return detail::io_awaitable(detail::file_close_request(std::move(fd_)));
    }
    [[nodiscard]] bool is_open() const noexcept { return fd_.valid(); }

    [[nodiscard]] int native_handle() const noexcept { return fd_.get(); }

private:
    file(detail::descriptor fd, detail::file_state state) noexcept
        : fd_(std::move(fd)), state_(std::move(state)) {}

    detail::descriptor fd_;
    detail::file_state state_;
};

/// Purpose: the whole content of a file: `auto bytes = co_await read_file(path);` as a
/// std::vector<std::byte>, or as a std::string with read_file<std::string>(path).
/// Works for files that do not know their size (/proc), too.
/// Errors and cancellation: those of file. Cost: three operations and the result's memory.
template <class Container = std::vector<std::byte>>
[[nodiscard]] task<Container> read_file(file_path path) {
    constexpr std::size_t smallest = 4096;
    file source = co_await file::open(std::move(path), open_mode::read);
    // One byte more than the size: the read that finds the end needs no further room.
    const std::uint64_t size = co_await source.size();
    Container content(size < smallest ? smallest : static_cast<std::size_t>(size) + 1, {});
    std::size_t done = 0;
    for (;;) {
        if (done == content.size()) {
            content.resize(content.size() * 2);
        }
        const std::size_t got =
            co_await source.read_some(std::as_writable_bytes(std::span(content)).subspan(done));
        if (got == 0) {
            break;
        }
        done += got;
    }
    content.resize(done);
    co_return content;
}

/// Purpose: makes or replaces a file's content: `co_await write_file(path, bytes);`
/// Lifetime: `bytes` must stay until it ends. Errors and cancellation: those of file; a write that
/// fails leaves what was written so far.
[[nodiscard]] inline task<void> write_file(file_path path, std::span<const std::byte> bytes) {
    file target = co_await file::open(std::move(path),
                                      open_mode::write | open_mode::create | open_mode::truncate);
    (void)co_await target.write_all(bytes);
    co_await target.close();
}
ALOFT_CORO_WRAPPER [[nodiscard]] inline task<void> write_file(file_path path,
                                                              std::string_view text) {
    return write_file(std::move(path), detail::bytes_of(text));
}
template <detail::character_range Range>
ALOFT_CORO_WRAPPER [[nodiscard]] task<void> write_file(file_path path, const Range& characters) {
    return write_file(std::move(path), detail::bytes_of(characters));
}

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// Files for POSIX: the descriptions of their operations.
// Layer: L4 surface
#pragma once

#include <aloft/detail/reactor/descriptor_epoch.hpp>
#include <aloft/detail/surface/byte_stream.hpp>
#include <aloft/detail/surface/descriptor.hpp>
#include <aloft/file_mode.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

[[nodiscard]] inline int open_flags(open_mode mode) noexcept {
    const bool writes = has(mode, open_mode::write | open_mode::append);
    const bool reads = has(mode, open_mode::read) || !writes;
    int flags = O_CLOEXEC | (reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY);
    flags |= has(mode, open_mode::append) ? O_APPEND : 0;
    flags |= has(mode, open_mode::create) ? O_CREAT : 0;
    flags |= has(mode, open_mode::truncate) ? O_TRUNC : 0;
    flags |= has(mode, open_mode::exclusive) ? O_EXCL : 0;
    flags |= has(mode, open_mode::direct) ? O_DIRECT : 0;
    return flags;
}

/// What a file remembers besides its descriptor.
struct file_state {
    bool direct = false;
};

class open_request {
public:
    using value_type = descriptor;

    open_request(std::string path, open_mode mode) noexcept : path_(std::move(path)), mode_(mode) {}

    int prepare(operation& op) noexcept {
        op.kind = operation_kind::open;
        op.address = path_.data();
        op.flags = static_cast<std::uint32_t>(open_flags(mode_));
        op.length = 0666; // less the process's umask
        return 0;
    }
    [[nodiscard]] descriptor finish(std::int32_t fd) const noexcept { return descriptor(fd); }
    [[nodiscard]] std::string name() const { return "open " + path_; }
    [[nodiscard]] file_state state() const noexcept { return {has(mode_, open_mode::direct)}; }

private:
    std::string path_;
    open_mode mode_;
};

/// preadv2() past the C library: as soon as a program has a second thread, glibc before 2.41 turns the
/// thread's cancellation on and off around it, 4 % of a cached read. Sanitizers want to see the call.
[[nodiscard]] inline ssize_t read_past_libc(int fd, const iovec& part, off_t at,
                                            int flags) noexcept {
#if defined(__LP64__) && !ALOFT_ASAN && !ALOFT_TSAN
    return ::syscall(SYS_preadv2, fd, &part, 1L, at, 0L, flags); // the position's upper half: none
#else
    return ::preadv2(fd, &part, 1, at, flags);
#endif
}

/// A page-cached read through preadv2(RWF_NOWAIT) costs less than a trip through the ring, and
/// never blocks; what is not cached goes to the ring. Past the page cache RWF_NOWAIT does wait for the
/// device, so there nothing is tried.
class file_read_request {
public:
    using value_type = std::size_t;

    file_read_request(int fd, const file_state& state, std::span<std::byte> buffer,
                      std::uint64_t offset) noexcept
        : fd_(fd), direct_(state.direct), offset_(offset), buffer_(buffer) {}

    [[nodiscard]] std::optional<std::int32_t> attempt() const noexcept {
        if (direct_) {
            return std::nullopt;
        }
        iovec part{buffer_.data(), transfer_length(buffer_.size())};
        const off_t at = offset_ == current_position ? -1 : static_cast<off_t>(offset_);
        const ssize_t got = read_past_libc(fd_, part, at, RWF_NOWAIT);
        return got >= 0 ? std::optional(static_cast<std::int32_t>(got)) : std::nullopt;
    }
    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::read;
        op.fd = fd_;
        op.address = buffer_.data();
        op.length = transfer_length(buffer_.size());
        op.offset = offset_;
        return 0;
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const { return "read file " + std::to_string(fd_); }

private:
    int fd_;
    bool direct_;
    std::uint64_t offset_;
    std::span<std::byte> buffer_;
};

class file_write_request {
public:
    using value_type = std::size_t;

    file_write_request(int fd, const file_state&, std::span<const std::byte> buffer,
                       std::uint64_t offset) noexcept
        : fd_(fd), offset_(offset), buffer_(buffer) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::write;
        op.fd = fd_;
        op.address = const_cast<std::byte*>(buffer_.data()); // only read
        op.length = transfer_length(buffer_.size());
        op.offset = offset_;
        return 0;
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const { return "write file " + std::to_string(fd_); }

private:
    int fd_;
    std::uint64_t offset_;
    std::span<const std::byte> buffer_;
};

class file_sync_request {
public:
    using value_type = void;

    file_sync_request(int fd, bool data_only) noexcept : fd_(fd), data_only_(data_only) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::sync;
        op.fd = fd_;
        op.flags = data_only_ ? 1 : 0;
        return 0;
    }
    void finish(std::int32_t) const noexcept {}
    [[nodiscard]] std::string name() const { return "sync file " + std::to_string(fd_); }

private:
    int fd_;
    bool data_only_;
};

class file_size_request {
public:
    using value_type = std::uint64_t;

    explicit file_size_request(int fd) noexcept : fd_(fd) {}

    int prepare(operation& op) noexcept {
        op.kind = operation_kind::file_size;
        op.fd = fd_;
        op.address = &status_;
        return 0;
    }
    [[nodiscard]] std::uint64_t finish(std::int32_t) const noexcept { return status_.stx_size; }
    [[nodiscard]] std::string name() const { return "size of file " + std::to_string(fd_); }

private:
    int fd_;
    struct statx status_ = {};
};

/// The descriptor is given up when the operation begins: the kernel frees it even if it reports an
/// error. If the kernel never saw the operation, the descriptor is closed here.
class file_close_request {
public:
    using value_type = void;

    explicit file_close_request(descriptor fd) noexcept : number_(fd.get()), fd_(std::move(fd)) {}

    int prepare(operation& op) noexcept {
        op.kind = operation_kind::close;
        op.fd = fd_.get();
        end_descriptor_epoch(op.fd); // for the backends of other runtimes
        return 0;
    }
    void finish(std::int32_t) noexcept { (void)fd_.release(); }
    [[nodiscard]] std::error_code refine(std::error_code code) noexcept {
        if (code != std::errc::operation_canceled) {
            (void)fd_.release();
        }
        return code;
    }
    [[nodiscard]] std::string name() const { return "close file " + std::to_string(number_); }

private:
    int number_;
    descriptor fd_;
};

} // namespace aloft::inline ALOFT_ABI::detail

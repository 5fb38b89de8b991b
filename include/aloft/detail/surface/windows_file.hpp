// SPDX-License-Identifier: MIT
// Files for Windows: the descriptions of their operations.
// Layer: L4 surface
//
// An overlapped handle has no position of its own, so the file keeps it, at an address that stays when
// the file is moved.
#pragma once

#if defined(_WIN32)

#include <aloft/detail/base/lean_memory.hpp>
#include <aloft/detail/reactor/descriptor_epoch.hpp>
#include <aloft/detail/reactor/iocp_calls.hpp>
#include <aloft/detail/surface/byte_stream.hpp>
#include <aloft/detail/surface/descriptor.hpp>
#include <aloft/file_mode.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// From UTF-8. Empty: it is none.
[[nodiscard]] inline std::wstring wide_path(std::string_view path) {
    const int length = static_cast<int>(path.size());
    const int units =
        ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), length, nullptr, 0);
    std::wstring wide(static_cast<std::size_t>(units), L'\0');
    (void)::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), length, wide.data(),
                                units);
    return wide;
}

/// What a file remembers besides its descriptor.
struct file_state {
    std::unique_ptr<std::uint64_t> position;
    bool appends = false;
};

class open_request {
public:
    using value_type = descriptor;

    open_request(std::string path, open_mode mode)
        : path_(std::move(path)), wide_(wide_path(path_)), mode_(mode) {}

    int prepare(operation& op) noexcept {
        if (path_.find('\0') != std::string::npos) {
            return ERROR_INVALID_NAME;
        }
        const bool appends = has(mode_, open_mode::append);
        const bool writes = has(mode_, open_mode::write) || appends;
        const bool truncates = has(mode_, open_mode::truncate);
        arguments_.path = wide_.c_str();
        arguments_.access = has(mode_, open_mode::read) || !writes ? GENERIC_READ : 0;
        if (appends && !truncates) {
            arguments_.access |= FILE_GENERIC_WRITE & ~DWORD{FILE_WRITE_DATA};
        } else if (writes || truncates) {
            arguments_.access |= GENERIC_WRITE;
        }
        if (!has(mode_, open_mode::create)) {
            arguments_.disposition = truncates ? TRUNCATE_EXISTING : OPEN_EXISTING;
        } else if (has(mode_, open_mode::exclusive)) {
            arguments_.disposition = CREATE_NEW;
        } else {
            arguments_.disposition = truncates ? CREATE_ALWAYS : OPEN_ALWAYS;
        }
        arguments_.flags =
            FILE_ATTRIBUTE_NORMAL | (has(mode_, open_mode::direct) ? FILE_FLAG_NO_BUFFERING : 0);
        op.kind = operation_kind::open;
        op.address = &arguments_;
        return 0;
    }
    [[nodiscard]] descriptor finish(std::int32_t fd) const noexcept { return descriptor(fd); }
    [[nodiscard]] file_state state() const {
        return {std::make_unique<std::uint64_t>(0), has(mode_, open_mode::append)};
    }
    [[nodiscard]] std::string name() const { return "open " + path_; }
    [[nodiscard]] open_mode mode() const noexcept { return mode_; }

private:
    std::string path_;
    std::wstring wide_;
    open_mode mode_;
    open_arguments arguments_{};
};

class file_read_request {
public:
    using value_type = std::size_t;

    file_read_request(int fd, const file_state& state, std::span<std::byte> buffer,
                      std::uint64_t offset) noexcept
        : fd_(fd),
          position_(offset == current_position ? state.position.get() : nullptr),
          offset_(offset),
          buffer_(buffer) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::read;
        op.fd = fd_;
        op.address = buffer_.data();
        op.length = transfer_length(buffer_.size());
        op.offset = position_ != nullptr ? *position_ : offset_;
        return 0;
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        if (position_ != nullptr) {
            *position_ += static_cast<std::uint64_t>(bytes);
        }
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const { return "read file " + std::to_string(fd_); }

private:
    int fd_;
    std::uint64_t* position_;
    std::uint64_t offset_;
    std::span<std::byte> buffer_;
};

class file_write_request {
public:
    using value_type = std::size_t;

    file_write_request(int fd, const file_state& state, std::span<const std::byte> buffer,
                       std::uint64_t offset) noexcept
        : fd_(fd),
          position_(offset == current_position ? state.position.get() : nullptr),
          offset_(state.appends ? current_position : offset),
          buffer_(buffer),
          appends_(state.appends) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::write;
        op.fd = fd_;
        op.address = const_cast<std::byte*>(buffer_.data()); // only read
        op.length = transfer_length(buffer_.size());
        // A file that appends writes at its end wherever that is: all ones say so to the system.
        op.offset = appends_ || position_ == nullptr ? offset_ : *position_;
        return 0;
    }
    [[nodiscard]] std::size_t finish(std::int32_t bytes) const noexcept {
        if (position_ != nullptr) {
            *position_ += static_cast<std::uint64_t>(bytes);
        }
        return static_cast<std::size_t>(bytes);
    }
    [[nodiscard]] std::string name() const { return "write file " + std::to_string(fd_); }

private:
    int fd_;
    std::uint64_t* position_;
    std::uint64_t offset_;
    std::span<const std::byte> buffer_;
    bool appends_;
};

/// Windows has no cheaper way for the data alone.
class file_sync_request {
public:
    using value_type = void;

    file_sync_request(int fd, bool) noexcept : fd_(fd) {}

    int prepare(operation& op) const noexcept {
        op.kind = operation_kind::sync;
        op.fd = fd_;
        return 0;
    }
    void finish(std::int32_t) const noexcept {}
    [[nodiscard]] std::string name() const { return "sync file " + std::to_string(fd_); }

private:
    int fd_;
};

class file_size_request {
public:
    using value_type = std::uint64_t;

    explicit file_size_request(int fd) noexcept : fd_(fd) {}

    int prepare(operation& op) noexcept {
        op.kind = operation_kind::file_size;
        op.fd = fd_;
        op.address = &size_;
        return 0;
    }
    [[nodiscard]] std::uint64_t finish(std::int32_t) const noexcept { return size_; }
    [[nodiscard]] std::string name() const { return "size of file " + std::to_string(fd_); }

private:
    int fd_;
    std::uint64_t size_ = 0;
};

/// The handle is given up when the operation begins. If no helper made the call, it is closed here.
class file_close_request {
public:
    using value_type = void;

    explicit file_close_request(descriptor fd) noexcept : number_(fd.get()), fd_(std::move(fd)) {}

    int prepare(operation& op) noexcept {
        op.kind = operation_kind::close;
        op.fd = fd_.get();
        end_descriptor_epoch(op.fd);
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

#endif

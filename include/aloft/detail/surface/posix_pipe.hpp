// SPDX-License-Identifier: MIT
// Pipes for POSIX: making them, and taking over the ends of other people's.
// Layer: L4 surface
//
// A broken pipe is an error and no signal, because every thread that makes a write blocks SIGPIPE
// (process.hpp): the workers, which submit, harvest and help; the watcher; the helper threads. A
// thread of the program's own starts operations through a worker. What the kernel writes on a thread
// of its own raises nothing here.
#pragma once

#include <aloft/detail/reactor/posix_calls.hpp>
#include <aloft/detail/surface/pipe_descriptors.hpp>
#include <aloft/detail/surface/pipe_requests.hpp>
#include <aloft/error.hpp>

#include <fcntl.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>

namespace aloft::inline ALOFT_ABI::detail {

/// In blocking mode, as a child process expects it of what it is given.
[[nodiscard]] inline descriptor_pair open_pipe() {
    int ends[2] = {-1, -1};
    if (call_pipe(ends) != 0) {
        throw_errno(errno, "pipe");
    }
    return {descriptor(ends[0]), descriptor(ends[1])};
}

/// Its flags stay as they are, because others may share them: in blocking mode or not, backends wait.
[[nodiscard]] inline descriptor adopt_pipe_end(int fd, const char* operation) {
    if (!is_simulated(fd) && ::fcntl(fd, F_GETFD) < 0) {
        throw_errno(errno, std::string(operation) + " " + std::to_string(fd));
    }
    return descriptor(fd);
}

[[nodiscard]] inline auto read_from_pipe(int fd, std::span<std::byte> buffer) noexcept {
    return io_awaitable(pipe_read_request(fd, buffer));
}

} // namespace aloft::inline ALOFT_ABI::detail

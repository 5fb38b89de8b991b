// SPDX-License-Identifier: MIT
// The descriptors of a pipe's ends.
// Layer: L4 surface
#pragma once

#include <aloft/detail/reactor/descriptor_epoch.hpp>
#include <aloft/detail/surface/descriptor.hpp>

namespace aloft::inline ALOFT_ABI::detail {

struct descriptor_pair {
    descriptor read;
    descriptor write;
};

/// Whoever has it may close it and get the number again without the library's knowing.
[[nodiscard]] inline int release_pipe_end(descriptor& fd) noexcept {
    end_descriptor_epoch(fd.get());
    return fd.release();
}

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
#if !defined(_WIN32)

#include "read_with_calls.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace when_not_to {

std::vector<std::byte> read_with_calls(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        throw std::system_error(errno, std::generic_category(), "open " + path);
    }
    struct stat status{};
    std::vector<std::byte> content;
    ssize_t count = ::fstat(file, &status);
    if (count == 0) {
        content.resize(static_cast<std::size_t>(status.st_size));
        count = ::pread(file, content.data(), content.size(), 0);
    }
    const int error = errno;
    ::close(file);
    if (count < 0) {
        throw std::system_error(error, std::generic_category(), "read " + path);
    }
    content.resize(static_cast<std::size_t>(count));
    return content;
}

} // namespace when_not_to

#endif

// SPDX-License-Identifier: MIT
// A named pipe in a directory: opening one end of it waits for the other.
#pragma once

#include <support/temporary_directory.hpp>

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

namespace test_support {

[[nodiscard]] inline std::filesystem::path make_fifo(const temporary_directory& directory,
                                                     const std::string& name) {
    const std::filesystem::path made = directory / name;
    if (::mkfifo(made.c_str(), 0600) != 0) {
        throw std::system_error(errno, std::system_category(), "mkfifo " + made.string());
    }
    return made;
}

} // namespace test_support

// SPDX-License-Identifier: MIT
// A directory of its own for a test, removed with everything in it.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace test_support {

class temporary_directory {
public:
    temporary_directory() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "aloft-test-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) {
            throw std::system_error(errno, std::system_category(), "mkdtemp " + pattern);
        }
        path_ = pattern;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
        return path_ / name;
    }

    /// A named pipe: opening one end of it waits for the other.
    [[nodiscard]] std::filesystem::path make_fifo(const std::string& name) const {
        const std::filesystem::path made = path_ / name;
        if (::mkfifo(made.c_str(), 0600) != 0) {
            throw std::system_error(errno, std::system_category(), "mkfifo " + made.string());
        }
        return made;
    }

private:
    std::filesystem::path path_;
};

} // namespace test_support

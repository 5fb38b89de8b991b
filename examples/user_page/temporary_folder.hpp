// SPDX-License-Identifier: MIT A folder that is gone, with all that is in it, when its object is.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace user_page {

class temporary_folder {
public:
    /// In /tmp and not where TMPDIR points: another user must be able to get at it, and the path of
    /// a Unix socket in it must stay below 108 characters.
    explicit temporary_folder(std::string_view purpose) {
        std::string name = "/tmp/aloft-" + std::string(purpose) + "-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::system_error(errno, std::system_category(), "mkdtemp " + name);
        }
        path_ = name;
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

} // namespace user_page

// SPDX-License-Identifier: MIT
// A folder of small files that is gone again when the object is.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace when_not_to {

class scratch_files {
public:
    scratch_files(std::size_t count, std::size_t bytes) {
        std::random_device random;
        do {
            folder_ = std::filesystem::temp_directory_path() /
                      ("when_not_to." + std::to_string(random()));
        } while (!std::filesystem::create_directory(folder_)); // it is there already
        try {
            const std::string content(bytes, 'a');
            for (std::size_t number = 0; number < count; ++number) {
                paths_.push_back((folder_ / std::to_string(number)).string());
                std::ofstream file{paths_.back(), std::ios::binary};
                file << content;
                file.close();
                if (file.fail()) {
                    throw std::runtime_error("cannot write " + paths_.back());
                }
            }
        } catch (...) {
            remove();
            throw;
        }
    }

    scratch_files(const scratch_files&) = delete;
    scratch_files& operator=(const scratch_files&) = delete;
    ~scratch_files() { remove(); }

    [[nodiscard]] const std::vector<std::string>& paths() const { return paths_; }

private:
    void remove() noexcept {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    std::filesystem::path folder_;
    std::vector<std::string> paths_;
};

} // namespace when_not_to

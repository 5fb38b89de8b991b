// SPDX-License-Identifier: MIT
// file_path: a path to a file, as every operation on files takes it.
// Layer: L0 base
#pragma once

#include <aloft/config.hpp>

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: lets files be named by text or by std::filesystem::path, without that header's price in
/// compile time: both convert to it.
///
/// Thread safety: a plain value. Lifetime: holds a copy of the text. Errors: std::bad_alloc.
class file_path {
public:
    file_path(std::string text) noexcept : text_(std::move(text)) {}
    file_path(std::string_view text) : text_(text) {}
    file_path(const char* text) : text_(text) {}
    /// std::filesystem::path, and what looks like it.
    template <class Path>
        requires(!std::is_same_v<Path, file_path> &&
                 !std::convertible_to<const Path&, std::string_view>)
    file_path(const Path& path)
        requires requires {
            { path.string() } -> std::convertible_to<std::string>;
        }
        : text_(text_of(path)) {}

    [[nodiscard]] const std::string& string() const& noexcept { return text_; }
    [[nodiscard]] std::string string() && noexcept { return std::move(text_); }

private:
    /// In UTF-8 where the system's own text is of another kind.
    template <class Path>
    [[nodiscard]] static std::string text_of(const Path& path) {
#if defined(_WIN32)
        if constexpr (requires { path.u8string(); }) {
            const auto text = path.u8string();
            return std::string(text.begin(), text.end());
        }
#endif
        return path.string();
    }

    std::string text_;
};

} // namespace aloft::inline ALOFT_ABI

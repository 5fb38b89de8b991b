// SPDX-License-Identifier: MIT
#pragma once
// The values for $1, $2, ... of a statement, in PostgreSQL's text format.
//
// Layer: L4 surface

#include <aloft/config.hpp>

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

namespace aloft::inline ALOFT_ABI::pq {

/// Values for the placeholders of a statement: numbers, bool, anything that is a string view,
/// nullptr or std::nullopt for NULL, and std::optional of these.
/// Thread safety: as any value.
/// Lifetime: owns copies of what it was given.
/// Errors: std::system_error(invalid_argument) for text with a zero byte, which PostgreSQL's text
/// format cannot hold.
/// Cost: one string per value.
class parameters {
public:
    parameters() = default;

    template <class... Values>
        requires(sizeof...(Values) > 0)
    explicit parameters(const Values&... values) {
        values_.reserve(sizeof...(Values));
        (add(values), ...);
    }

    template <class Value>
    parameters& add(const Value& value) {
        values_.push_back(to_text(value));
        return *this;
    }

    [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }

    /// The text of value `index`; nothing for NULL.
    [[nodiscard]] const std::optional<std::string>& operator[](std::size_t index) const {
        return values_[index];
    }

private:
    template <class Value>
    static std::optional<std::string> to_text(const Value& value) {
        if constexpr (std::same_as<Value, std::nullptr_t> || std::same_as<Value, std::nullopt_t>) {
            return std::nullopt;
        } else if constexpr (std::same_as<Value, bool>) {
            return value ? "true" : "false";
        } else if constexpr (std::same_as<Value, char>) {
            return checked(std::string(1, value));
        } else if constexpr (std::is_arithmetic_v<Value>) {
            std::array<char, 64> digits{};
            const std::to_chars_result end =
                std::to_chars(digits.data(), digits.data() + digits.size(), value);
            return std::string(digits.data(), end.ptr);
        } else if constexpr (std::convertible_to<const Value&, std::string_view>) {
            return checked(std::string(std::string_view(value)));
        } else {
            // std::optional and whatever else has its interface.
            if (!value.has_value()) {
                return std::nullopt;
            }
            return to_text(*value);
        }
    }

    static std::string checked(std::string text) {
        if (text.find('\0') != std::string::npos) {
            throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                                    "query parameter with a zero byte");
        }
        return text;
    }

    std::vector<std::optional<std::string>> values_;
};

} // namespace aloft::inline ALOFT_ABI::pq

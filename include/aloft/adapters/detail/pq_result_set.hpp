// SPDX-License-Identifier: MIT
#pragma once
// The rows that a statement returned.
//
// Layer: L4 surface

#include <aloft/adapters/detail/pq_error.hpp>
#include <aloft/config.hpp>

#include <libpq-fe.h>

#include <charconv>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace aloft::inline ALOFT_ABI::pq {

namespace detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

} // namespace detail

/// The rows of one statement, in memory. Rows and columns count from 0.
/// Thread safety: reading is safe from several threads at once.
/// Lifetime: owns its memory and does not need the connection; the views that at() and
/// column_name() return live as long as the result set.
/// Errors: std::out_of_range for a row or column that is not there.
class result_set {
public:
    /// Takes over a result of libpq's; nullptr is an empty set.
    explicit result_set(PGresult* result = nullptr) noexcept : result_(result) {}

    [[nodiscard]] std::size_t rows() const noexcept { return count(PQntuples(result_.get())); }
    [[nodiscard]] std::size_t columns() const noexcept { return count(PQnfields(result_.get())); }
    [[nodiscard]] bool empty() const noexcept { return rows() == 0; }

    /// How many rows an INSERT, UPDATE, DELETE, MERGE, SELECT or COPY affected; 0 for other
    /// statements.
    [[nodiscard]] std::size_t affected_rows() const noexcept {
        const std::string_view digits = result_ ? PQcmdTuples(result_.get()) : "";
        std::size_t affected = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), affected);
        return affected;
    }

    [[nodiscard]] std::string_view column_name(std::size_t column) const& {
        check(0, column, false);
        return PQfname(result_.get(), static_cast<int>(column));
    }
    std::string_view column_name(std::size_t) const&& = delete; // would dangle

    /// The first column called exactly `name`.
    [[nodiscard]] std::size_t column(std::string_view name) const {
        for (std::size_t index = 0; index < columns(); ++index) {
            if (column_name(index) == name) {
                return index;
            }
        }
        throw std::out_of_range("result set: no column \"" + std::string(name) + '"');
    }

    /// The text of a field; nothing where it is NULL.
    [[nodiscard]] std::optional<std::string_view> at(std::size_t row, std::size_t column) const& {
        check(row, column, true);
        const int line = static_cast<int>(row);
        const int field = static_cast<int>(column);
        if (PQgetisnull(result_.get(), line, field) != 0) {
            return std::nullopt;
        }
        return std::string_view(PQgetvalue(result_.get(), line, field),
                                count(PQgetlength(result_.get(), line, field)));
    }
    std::optional<std::string_view> at(std::size_t, std::size_t) const&& = delete; // would dangle

    /// A field as a number, bool, std::string or std::optional of these.
    /// Errors: pq::error 22002 for a NULL that is not asked for as an optional, 22P02 for text that
    /// is not (all) a T.
    template <class T>
    [[nodiscard]] T get(std::size_t row, std::size_t column) const {
        const std::optional<std::string_view> text = at(row, column);
        if constexpr (detail::is_optional<T>) {
            if (!text) {
                return std::nullopt;
            }
            return convert<typename T::value_type>(*text, column);
        } else {
            if (!text) {
                throw error("22002", "column \"" + std::string(column_name(column)) + "\" is NULL",
                            "get");
            }
            return convert<T>(*text, column);
        }
    }

    /// libpq's own result, still owned by the set.
    [[nodiscard]] const PGresult* native_handle() const noexcept { return result_.get(); }

private:
    struct clear {
        void operator()(PGresult* result) const noexcept { PQclear(result); }
    };

    static std::size_t count(int value) noexcept {
        return value > 0 ? static_cast<std::size_t>(value) : 0;
    }

    void check(std::size_t row, std::size_t column, bool with_row) const {
        if ((with_row && row >= rows()) || column >= columns()) {
            throw std::out_of_range("result set: row " + std::to_string(row) + ", column " +
                                    std::to_string(column) + " of " + std::to_string(rows()) +
                                    " rows, " + std::to_string(columns()) + " columns");
        }
    }

    template <class T>
    T convert(std::string_view text, std::size_t column) const {
        if constexpr (std::same_as<T, std::string>) {
            return std::string(text);
        } else if constexpr (std::same_as<T, bool>) {
            if (text == "t" || text == "f") {
                return text == "t";
            }
        } else {
            static_assert(std::is_arithmetic_v<T>,
                          "get<T>: T is a number, bool, std::string or an optional of these");
            T value{};
            const std::from_chars_result end =
                std::from_chars(text.data(), text.data() + text.size(), value);
            if (end.ec == std::errc() && end.ptr == text.data() + text.size()) {
                return value;
            }
        }
        throw error("22P02",
                    "column \"" + std::string(column_name(column)) + "\" holds \"" +
                        detail::abbreviated(text) + "\", which is no value of the type asked for",
                    "get");
    }

    std::unique_ptr<PGresult, clear> result_;
};

} // namespace aloft::inline ALOFT_ABI::pq

// SPDX-License-Identifier: MIT
// A plain text table, and the number formats that the examples print in it.
//
//     support::table figures{"what", "measured", "predicted"};
//     figures.add("wall clock", support::format_duration(measured), "100 ms");
//     std::cout << figures;
//
// A column is set flush right when every cell in it starts with a digit or a sign, else flush left.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

/// `value` with `decimals` digits after the point: "3.14".
[[nodiscard]] inline std::string format_fixed(double value, int decimals = 2) {
    std::array<char, 64> text{};
    const int length = std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
    return std::string(text.data(), static_cast<std::size_t>(std::max(length, 0)));
}

/// Thousands set apart: "1,000,000".
[[nodiscard]] inline std::string format_count(std::uint64_t value) {
    std::string digits = std::to_string(value);
    for (std::size_t place = digits.size(); place > 3;) {
        place -= 3;
        digits.insert(place, 1, ',');
    }
    return digits;
}

/// Three significant digits in the unit that suits: "12.3 us", "105 ms", "2.04 s".
[[nodiscard]] inline std::string format_duration(std::chrono::nanoseconds duration) {
    struct unit {
        double nanoseconds;
        std::string_view name;
    };
    static constexpr std::array<unit, 4> units{
        {{1e9, " s"}, {1e6, " ms"}, {1e3, " us"}, {1.0, " ns"}}};
    const auto value = static_cast<double>(duration.count());
    for (const unit& candidate : units) {
        // The threshold lies below 1 so that 999.9 us is not printed as "1000 us".
        if (std::abs(value) < 0.9995 * candidate.nanoseconds && candidate.nanoseconds > 1.0) {
            continue;
        }
        const double scaled = value / candidate.nanoseconds;
        const int decimals = candidate.nanoseconds <= 1.0 || std::abs(scaled) >= 99.95 ? 0
                             : std::abs(scaled) >= 9.995                               ? 1
                                                                                       : 2;
        return format_fixed(scaled, decimals).append(candidate.name);
    }
    return "0 ns";
}

/// The cost of one item, which may well lie below a nanosecond: "0.84 ns", "12.3 us".
[[nodiscard]] inline std::string format_duration_per_item(std::chrono::nanoseconds total,
                                                          std::uint64_t items) {
    if (items == 0) {
        return "-";
    }
    const double each = static_cast<double>(total.count()) / static_cast<double>(items);
    if (each < 99.95) {
        return format_fixed(each, each < 9.995 ? 2 : 1) + " ns";
    }
    return format_duration(std::chrono::nanoseconds{std::llround(each)});
}

/// Bytes in powers of 1,024: "640 B", "1.5 KiB", "212 MiB".
[[nodiscard]] inline std::string format_bytes(std::uint64_t bytes) {
    static constexpr std::array<std::string_view, 5> names{" B", " KiB", " MiB", " GiB", " TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1023.5 && unit + 1 < names.size()) {
        value /= 1024.0;
        ++unit;
    }
    const int decimals = unit == 0 || value >= 99.95 ? 0 : 1;
    return format_fixed(value, decimals).append(names[unit]);
}

/// A factor: "1.97 x".
[[nodiscard]] inline std::string format_factor(double factor, int decimals = 2) {
    return format_fixed(factor, decimals) + " x";
}

class table {
public:
    table(std::initializer_list<std::string_view> headings)
        : headings_(headings.begin(), headings.end()) {}

    /// One row. Strings are printed as they are, whole numbers with their thousands set apart,
    /// other numbers with two decimals. Missing cells are blank, surplus ones get a column.
    template <class... Cells>
    table& add(const Cells&... cells) {
        rows_.push_back({to_cell(cells)...});
        return *this;
    }

    table& add_row(std::vector<std::string> cells) {
        rows_.push_back(std::move(cells));
        return *this;
    }

    /// A rule between the rows before and the rows after.
    table& add_rule() {
        rows_.emplace_back();
        return *this;
    }

    [[nodiscard]] std::string to_string() const {
        const std::vector<column> columns = measure_columns();
        std::string text;
        append_row(text, headings_, columns);
        append_rule(text, columns);
        for (const auto& row : rows_) {
            row.empty() ? append_rule(text, columns) : append_row(text, row, columns);
        }
        return text;
    }

    friend std::ostream& operator<<(std::ostream& out, const table& what) {
        return out << what.to_string();
    }

private:
    struct column {
        std::size_t width = 0;
        bool numeric = true;
        bool used = false;
    };

    static std::string to_cell(std::string_view text) { return std::string(text); }

    template <std::integral Number>
    static std::string to_cell(Number number) {
        if constexpr (std::signed_integral<Number>) {
            if (number < 0) {
                return "-" + format_count(std::uint64_t{0} - static_cast<std::uint64_t>(number));
            }
        }
        return format_count(static_cast<std::uint64_t>(number));
    }

    template <std::floating_point Number>
    static std::string to_cell(Number number) {
        return format_fixed(static_cast<double>(number));
    }

    // Characters, not bytes: continuation bytes of UTF-8 take no room on the screen.
    static std::size_t width_of(std::string_view text) {
        return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char letter) {
            return (static_cast<unsigned char>(letter) & 0xC0U) != 0x80U;
        }));
    }

    static bool looks_numeric(std::string_view text) {
        const std::size_t first = text.find_first_not_of("+-<>=~ ");
        return first == std::string_view::npos || (text[first] >= '0' && text[first] <= '9');
    }

    std::vector<column> measure_columns() const {
        std::vector<column> columns(headings_.size());
        for (std::size_t place = 0; place < headings_.size(); ++place) {
            columns[place].width = width_of(headings_[place]);
        }
        for (const auto& row : rows_) {
            if (row.size() > columns.size()) {
                columns.resize(row.size());
            }
            for (std::size_t place = 0; place < row.size(); ++place) {
                column& entry = columns[place];
                entry.width = std::max(entry.width, width_of(row[place]));
                entry.numeric = entry.numeric && looks_numeric(row[place]);
                entry.used = true;
            }
        }
        return columns;
    }

    static void append_row(std::string& text, const std::vector<std::string>& row,
                           const std::vector<column>& columns) {
        std::string line;
        for (std::size_t place = 0; place < columns.size(); ++place) {
            const std::string_view cell =
                place < row.size() ? std::string_view{row[place]} : std::string_view{};
            const std::string padding(columns[place].width - width_of(cell), ' ');
            const bool right = columns[place].numeric && columns[place].used;
            line.append(place == 0 ? "  " : "   ");
            right ? line.append(padding).append(cell) : line.append(cell).append(padding);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text.append(line).append("\n");
    }

    static void append_rule(std::string& text, const std::vector<column>& columns) {
        std::string line;
        for (std::size_t place = 0; place < columns.size(); ++place) {
            line.append(place == 0 ? "  " : "   ").append(columns[place].width, '-');
        }
        text.append(line).append("\n");
    }

    std::vector<std::string> headings_;
    std::vector<std::vector<std::string>> rows_;
};

} // namespace support

// SPDX-License-Identifier: MIT
#pragma once
// The error type of the PostgreSQL adapter: a std::system_error whose code is the SQLSTATE.
//
// Layer: L4 surface
//
// Invariants
// 1. A code of pq_category() is the SQLSTATE read as a number in base 36, so "00000" is 0 and no
//    two states share one.
// 2. Failures of the client side carry the SQLSTATE that the server would have used (08001, 08006,
//    ...), so that a program compares with one vocabulary.

#include <aloft/config.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace aloft::inline ALOFT_ABI::pq {

namespace detail {

/// "42601" as a number in base 36; whatever is no SQLSTATE counts as HY000 ("general error").
[[nodiscard]] constexpr int encode_sqlstate(std::string_view state) noexcept {
    constexpr std::string_view general_error = "HY000";
    int value = 0;
    for (const char letter : state.size() == 5 ? state : general_error) {
        int digit = 0;
        if (letter >= '0' && letter <= '9') {
            digit = letter - '0';
        } else if (letter >= 'A' && letter <= 'Z') {
            digit = letter - 'A' + 10;
        } else {
            return encode_sqlstate(general_error);
        }
        value = value * 36 + digit;
    }
    return value;
}

[[nodiscard]] inline std::string decode_sqlstate(int value) {
    std::string state(5, '0');
    for (auto place = state.rbegin(); place != state.rend(); ++place) {
        *place = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[value % 36];
        value /= 36;
    }
    return state;
}

class sqlstate_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "postgresql"; }

    [[nodiscard]] std::string message(int value) const override {
        return "SQLSTATE " + decode_sqlstate(value);
    }

    [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
        switch (value) {
        case encode_sqlstate("57014"):
            return std::errc::operation_canceled;
        case encode_sqlstate("08001"):
            return std::errc::connection_refused;
        case encode_sqlstate("08003"):
        case encode_sqlstate("08006"):
        case encode_sqlstate("57P01"):
        case encode_sqlstate("57P02"):
            return std::errc::connection_reset;
        case encode_sqlstate("53300"):
            return std::errc::resource_unavailable_try_again;
        case encode_sqlstate("22P02"):
            return std::errc::invalid_argument;
        default:
            return std::error_condition(value, *this);
        }
    }
};

/// A long statement is cut so that what() stays readable.
[[nodiscard]] inline std::string abbreviated(std::string_view statement) {
    constexpr std::size_t longest = 200;
    if (statement.size() <= longest) {
        return std::string(statement);
    }
    return std::string(statement.substr(0, longest)) + "...";
}

} // namespace detail

/// The category of codes that are SQLSTATEs.
/// Thread safety: any thread.
[[nodiscard]] inline const std::error_category& pq_category() noexcept {
    static const detail::sqlstate_category category;
    return category;
}

/// The SQLSTATE `state` (five characters) as an error code.
/// Thread safety: any thread.
[[nodiscard]] inline std::error_code sqlstate_code(std::string_view state) noexcept {
    return {detail::encode_sqlstate(state), pq_category()};
}

/// What PostgreSQL or libpq refused, and which statement it was about. what() reads
/// `query "SELEC 1": syntax error at or near "SELEC": SQLSTATE 42601`. The code compares equal to
/// std::errc::operation_canceled for a cancelled query (57014), connection_reset for a lost
/// connection (08006, 57P01), connection_refused for one that could not be made (08001).
/// Thread safety: as any value; copies share the strings.
class error : public std::system_error {
public:
    error(std::string_view sqlstate, std::string_view message, std::string_view operation,
          std::string statement = {})
        : std::system_error(sqlstate_code(sqlstate), describe(operation, statement, message)),
          text_(std::make_shared<const text>(detail::decode_sqlstate(code().value()),
                                             std::string(message), std::move(statement))) {}

    /// Five characters; "HY000" where libpq gave none.
    [[nodiscard]] std::string_view sqlstate() const noexcept { return text_->sqlstate; }
    /// What the server or libpq said, in one line.
    [[nodiscard]] std::string_view message() const noexcept { return text_->message; }
    /// The whole statement; empty for a failed connect.
    [[nodiscard]] std::string_view statement() const noexcept { return text_->statement; }

private:
    struct text {
        text(std::string state, std::string said, std::string sql)
            : sqlstate(std::move(state)), message(std::move(said)), statement(std::move(sql)) {}
        std::string sqlstate;
        std::string message;
        std::string statement;
    };

    static std::string describe(std::string_view operation, std::string_view statement,
                                std::string_view message) {
        std::string what(operation);
        if (!statement.empty()) {
            what += " \"" + detail::abbreviated(statement) + '"';
        }
        return what.append(": ").append(message);
    }

    std::shared_ptr<const text> text_; // shared, so that copying the exception cannot throw
};

} // namespace aloft::inline ALOFT_ABI::pq

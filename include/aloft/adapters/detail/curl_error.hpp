// SPDX-License-Identifier: MIT
#pragma once
// The error types of the libcurl adapter.
//
// Layer: L4 surface

#include <aloft/config.hpp>

#include <curl/curl.h>

#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace aloft::inline ALOFT_ABI::curl {

namespace detail {

class curl_category_type final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "curl"; }

    [[nodiscard]] std::string message(int value) const override {
        return curl_easy_strerror(static_cast<CURLcode>(value));
    }

    [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
        switch (static_cast<CURLcode>(value)) {
        case CURLE_OPERATION_TIMEDOUT:
            return std::errc::timed_out;
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_PARTIAL_FILE:
        case CURLE_GOT_NOTHING:
            return std::errc::connection_reset;
        case CURLE_OUT_OF_MEMORY:
            return std::errc::not_enough_memory;
        case CURLE_UNSUPPORTED_PROTOCOL:
            return std::errc::protocol_not_supported;
        case CURLE_URL_MALFORMAT:
            return std::errc::invalid_argument;
        default:
            return std::error_condition(value, *this);
        }
    }
};

class status_category_type final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "http"; }
    [[nodiscard]] std::string message(int value) const override {
        return "HTTP status " + std::to_string(value);
    }
};

} // namespace detail

/// The category whose values are CURLcodes. Time-outs compare equal to std::errc::timed_out,
/// connections that broke to connection_reset.
/// Thread safety: any thread.
[[nodiscard]] inline const std::error_category& curl_category() noexcept {
    static const detail::curl_category_type category;
    return category;
}

/// The category whose values are HTTP statuses.
/// Thread safety: any thread.
[[nodiscard]] inline const std::error_category& status_category() noexcept {
    static const detail::status_category_type category;
    return category;
}

/// A request that got no whole answer. what() names the method and the URL:
/// `GET http://127.0.0.1:1/: Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to
/// server: Connection refused`. code() is the operating system's where a connect failed and libcurl
/// knows why (std::errc::connection_refused, ...), else the CURLcode in curl_category().
/// Thread safety: as any value.
class error : public std::system_error {
public:
    error(std::error_code code, CURLcode reason, const std::string& what, std::string url)
        : std::system_error(code, what),
          reason_(reason),
          url_(std::make_shared<const std::string>(std::move(url))) {}

    [[nodiscard]] CURLcode curl_code() const noexcept { return reason_; }
    [[nodiscard]] std::string_view url() const noexcept { return *url_; }

private:
    CURLcode reason_;
    std::shared_ptr<const std::string> url_; // shared, so that copying the exception cannot throw
};

/// An answer whose status says that the request failed (400 and above): thrown by
/// response::throw_if_error() only. what() names the URL and the status; code() is the status in
/// status_category().
/// Thread safety: as any value.
class status_error : public std::system_error {
public:
    status_error(int status, std::string url)
        : std::system_error(std::error_code(status, status_category()), url),
          url_(std::make_shared<const std::string>(std::move(url))) {}

    [[nodiscard]] int status() const noexcept { return code().value(); }
    [[nodiscard]] std::string_view url() const noexcept { return *url_; }

private:
    std::shared_ptr<const std::string> url_;
};

} // namespace aloft::inline ALOFT_ABI::curl

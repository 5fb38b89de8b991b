// SPDX-License-Identifier: MIT
#pragma once
// What is sent and what comes back: request and response.
//
// Layer: L4 surface

#include <aloft/adapters/detail/curl_error.hpp>
#include <aloft/config.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::curl {

namespace detail {

/// Header names know no case; only ASCII letters may occur in them.
[[nodiscard]] inline bool same_header_name(std::string_view left, std::string_view right) noexcept {
    const auto lower = [](char letter) noexcept {
        return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    };
    if (left.size() != right.size()) {
        return false;
    }
    for (std::size_t index = 0; index < left.size(); ++index) {
        if (lower(left[index]) != lower(right[index])) {
            return false;
        }
    }
    return true;
}

} // namespace detail

/// One header line.
class header {
public:
    header(std::string header_name, std::string header_value)
        : name(std::move(header_name)), value(std::move(header_value)) {}
    std::string name;
    std::string value;
};

/// What to ask for. `request("http://...").method("POST").with_header("Accept",
/// "text/plain").body("...").timeout(2s)` Thread safety: as any value.
class request {
public:
    explicit request(std::string url) : url_(std::move(url)) {}

    /// "GET" unless set; "POST" once there is a body.
    request& method(std::string name) {
        method_ = std::move(name);
        return *this;
    }
    request& with_header(std::string name, std::string value) {
        headers_.emplace_back(std::move(name), std::move(value));
        return *this;
    }
    request& body(std::string bytes) {
        body_ = std::move(bytes);
        return *this;
    }
    /// From the first attempt to connect to the last byte of the answer; the wait for a free
    /// session is not counted. None unless set.
    request& timeout(std::chrono::milliseconds limit) {
        timeout_ = limit;
        return *this;
    }

    [[nodiscard]] const std::string& url() const noexcept { return url_; }
    [[nodiscard]] std::string method() const {
        return !method_.empty() ? method_ : body_ ? "POST" : "GET";
    }
    [[nodiscard]] const std::vector<header>& headers() const noexcept { return headers_; }
    [[nodiscard]] const std::optional<std::string>& body() const noexcept { return body_; }
    [[nodiscard]] std::optional<std::chrono::milliseconds> timeout() const noexcept {
        return timeout_;
    }

    [[nodiscard]] bool has_header(std::string_view name) const noexcept {
        for (const header& one : headers_) {
            if (detail::same_header_name(one.name, name)) {
                return true;
            }
        }
        return false;
    }

private:
    std::string url_;
    std::string method_;
    std::vector<header> headers_;
    std::optional<std::string> body_;
    std::optional<std::chrono::milliseconds> timeout_;
};

/// What the server answered, whatever its status.
/// Thread safety: as any value.
class response {
public:
    response() = default;

    int status = 0;
    std::vector<header> headers; ///< of the final answer, in the order in which they came
    std::string body;
    std::string url; ///< what was asked for

    /// The value of the first header of that name (in any case).
    [[nodiscard]] std::optional<std::string_view>
    find_header(std::string_view name) const& noexcept {
        for (const header& one : headers) {
            if (detail::same_header_name(one.name, name)) {
                return one.value;
            }
        }
        return std::nullopt;
    }
    std::optional<std::string_view> find_header(std::string_view) const&& = delete; // would dangle

    /// Errors: curl::status_error, naming the URL and the status, for a status of 400 and above.
    const response& throw_if_error() const& {
        check();
        return *this;
    }
    response throw_if_error() && {
        check();
        return std::move(*this);
    }

private:
    void check() const {
        if (status >= 400) {
            throw status_error(status, url);
        }
    }
};

} // namespace aloft::inline ALOFT_ABI::curl

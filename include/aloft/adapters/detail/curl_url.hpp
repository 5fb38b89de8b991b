// SPDX-License-Identifier: MIT
#pragma once
// The parts of a URL that decide which connection serves it.
//
// Layer: L4 surface

#include <aloft/adapters/detail/curl_error.hpp>
#include <aloft/config.hpp>

#include <curl/curl.h>

#include <memory>
#include <string>
#include <string_view>

namespace aloft::inline ALOFT_ABI::curl::detail {

/// Scheme, host and port of a URL.
class origin {
public:
    origin() = default;

    /// Errors: curl::error for a URL that libcurl does not understand.
    explicit origin(const std::string& url) {
        const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), &curl_url_cleanup);
        if (!parsed) {
            throw std::bad_alloc();
        }
        if (const CURLUcode failed = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
            failed != CURLUE_OK) {
            const CURLcode reason = failed == CURLUE_UNSUPPORTED_SCHEME ? CURLE_UNSUPPORTED_PROTOCOL
                                                                        : CURLE_URL_MALFORMAT;
            throw error(std::error_code(reason, curl_category()), reason,
                        '"' + url + "\": " + curl_url_strerror(failed), url);
        }
        scheme = part(parsed.get(), CURLUPART_SCHEME);
        host = part(parsed.get(), CURLUPART_HOST);
        port = part(parsed.get(), CURLUPART_PORT);
    }

    /// Whether the host is an address already, so that there is nothing to resolve.
    [[nodiscard]] bool is_address() const noexcept {
        return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string::npos;
    }

    friend bool operator==(const origin&, const origin&) = default;

    std::string scheme;
    std::string host;
    std::string port;

private:
    static std::string part(CURLU* url, CURLUPart which) {
        char* text = nullptr;
        if (curl_url_get(url, which, &text, CURLU_DEFAULT_PORT) != CURLUE_OK || text == nullptr) {
            return {};
        }
        const std::unique_ptr<char, void (*)(void*)> owned(text, &curl_free);
        return text;
    }
};

} // namespace aloft::inline ALOFT_ABI::curl::detail

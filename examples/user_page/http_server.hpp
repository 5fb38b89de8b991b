// SPDX-License-Identifier: MIT A small HTTP/1.1 server: aloft's sockets, Boost.Beast's parser, an
// answer from a function.
//
// Beast's parser needs nothing of Asio but the buffer type: bytes are read by aloft and put into
// it.
#pragma once

#include <aloft/endpoint.hpp>
#include <aloft/spawn.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace user_page {

class http_request {
public:
    http_request() = default;
    std::string method;
    std::string target;
    std::string body;
    bool keep_alive = true;
};

class http_answer {
public:
    explicit http_answer(unsigned status_code = 200, std::string content = {})
        : status(status_code), body(std::move(content)) {}
    unsigned status;
    std::string body;
    std::string extra_headers; ///< whole lines, each with its \r\n
};

using http_handler = std::function<aloft::task<http_answer>(http_request)>;

/// One connection: reads requests and writes answers until the client ends it.
class http_connection {
public:
    http_connection(aloft::tcp_stream stream, std::shared_ptr<const http_handler> handler)
        : stream_(std::move(stream)), handler_(std::move(handler)) {
        stream_.set_no_delay(true);
    }

    /// Ends without an exception whatever the client does: nobody waits for a connection's task.
    static aloft::task<> serve(std::unique_ptr<http_connection> connection) {
        try {
            while (std::optional<http_request> request = co_await connection->read()) {
                const bool last = !request->keep_alive;
                const bool with_body = request->method != "HEAD";
                const http_answer answer = co_await (*connection->handler_)(std::move(*request));
                co_await connection->write(answer, last, with_body);
                if (last) {
                    break;
                }
            }
        } catch (const std::system_error&) {
            // The client has gone, or the runtime ends: either way there is nobody to tell.
        }
    }

private:
    /// The next request; nothing at the end of the stream.
    aloft::task<std::optional<http_request>> read() {
        namespace http = boost::beast::http;
        http::request_parser<http::string_body> parser;
        parser.eager(true);
        parser.body_limit(std::uint64_t{64} << 20U);
        while (!parser.is_done()) {
            if (begin_ == end_ || starved_) {
                if (begin_ == end_) {
                    begin_ = end_ = 0;
                } else if (end_ == buffer_.size()) {
                    // A header line that does not fit; move it to the front.
                    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.end(),
                              buffer_.begin());
                    end_ -= begin_;
                    begin_ = 0;
                    if (end_ == buffer_.size()) {
                        throw std::system_error(std::make_error_code(std::errc::message_size),
                                                "HTTP header");
                    }
                }
                const std::span<char> room(buffer_.data() + end_, buffer_.size() - end_);
                const std::size_t count = co_await stream_.read_some(room);
                if (count == 0) {
                    co_return std::nullopt;
                }
                end_ += count;
                starved_ = false;
            }
            boost::system::error_code failed;
            const std::size_t used =
                parser.put(boost::asio::buffer(buffer_.data() + begin_, end_ - begin_), failed);
            begin_ += used;
            if (failed == http::error::need_more) {
                starved_ = true;
            } else if (failed) {
                throw std::system_error(std::make_error_code(std::errc::protocol_error),
                                        "HTTP request: " + failed.message());
            }
        }
        http_request request;
        request.keep_alive = parser.keep_alive();
        request.method = std::string(parser.get().method_string());
        request.target = std::string(parser.get().target());
        request.body = std::move(parser.get().body());
        co_return request;
    }

    aloft::task<> write(const http_answer& answer, bool last, bool with_body) {
        const auto reason =
            boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(answer.status));
        std::string text = "HTTP/1.1 " + std::to_string(answer.status) + ' ' + std::string(reason);
        text.append("\r\nContent-Length: ").append(std::to_string(answer.body.size()));
        text.append(last ? "\r\nConnection: close\r\n" : "\r\n");
        text.append(answer.extra_headers)
            .append("\r\n")
            .append(with_body ? answer.body : std::string());
        co_await stream_.write_all(std::string_view(text));
    }

    aloft::tcp_stream stream_;
    std::shared_ptr<const http_handler> handler_;
    std::array<char, 8192> buffer_{};
    std::size_t begin_ = 0; // what has been read and not yet parsed is [begin_, end_)
    std::size_t end_ = 0;
    bool starved_ = false; // the parser needs more than [begin_, end_)
};

/// Accepts until the listener is closed. Connections live on; the runtime's end ends them.
inline aloft::task<> serve_http(aloft::tcp_listener& listener, http_handler handler) {
    const auto shared = std::make_shared<const http_handler>(std::move(handler));
    for (;;) {
        aloft::tcp_stream stream = co_await listener.accept();
        auto connection = std::make_unique<http_connection>(std::move(stream), shared);
        aloft::spawn(http_connection::serve(std::move(connection))).detach();
    }
}

} // namespace user_page

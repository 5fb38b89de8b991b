// SPDX-License-Identifier: MIT
// An HTTP server for the adapter's tests in simulated worlds: it is a program of that world, and what
// it does when is drawn from the seed.
//
// It answers a request for /NUMBER/KIND, where no other request has that number, with what it was
// sent: method, target and body. By KIND:
//   echo     and keeps the connection
//   leave    and ends the connection without having said so
//   close    and ends the connection, as it says in the answer
//   slow     after half a second
//   drop     nothing: the connection ends instead
//   part     the first bytes, and then the connection ends
//   garbage  something that is no HTTP
#pragma once

#include <aloft/as_result.hpp>
#include <aloft/detail/base/splitmix.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/task.hpp>
#include <aloft/task_group.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace adapter_tests {

class toy_http {
public:
    explicit toy_http(std::uint64_t seed) : dice_(seed ^ 0x68747470u) {}
    toy_http(const toy_http&) = delete;
    toy_http& operator=(const toy_http&) = delete;

    static constexpr std::string_view address = "10.0.0.2";

    /// Until it is stopped.
    aloft::task<> serve() {
        aloft::tcp_listener listener = aloft::tcp_listener::bind(aloft::endpoint(address, 80));
        const auto body = [&](aloft::task_group& group) -> aloft::task<> {
            for (;;) {
                aloft::tcp_stream stream = co_await listener.accept();
                ++connections_;
                group.spawn(session(std::move(stream)));
            }
        };
        co_await aloft::with_task_group(body);
    }

    /// How often the request was answered, or would have been.
    [[nodiscard]] int served(int request) const {
        const auto found = served_.find(request);
        return found == served_.end() ? 0 : found->second;
    }
    [[nodiscard]] std::size_t connections() const noexcept { return connections_; }
    [[nodiscard]] std::size_t sessions() const noexcept { return sessions_; }

private:
    aloft::task<> session(aloft::tcp_stream stream) {
        ++sessions_;
        const auto ended = co_await aloft::as_result(converse(stream));
        --sessions_;
        if (!ended && ended.error() == std::errc::operation_canceled) {
            throw std::system_error(ended.error());
        }
    }

    aloft::task<> converse(aloft::tcp_stream& stream) {
        std::string pending;
        for (bool goes_on = true; goes_on;) {
            std::size_t head = std::string::npos;
            while ((head = pending.find("\r\n\r\n")) == std::string::npos) {
                if (!co_await receive(stream, pending)) {
                    co_return;
                }
            }
            const std::size_t whole = head + 4 + body_length(pending.substr(0, head + 2));
            while (pending.size() < whole) {
                if (!co_await receive(stream, pending)) {
                    co_return;
                }
            }
            const std::string asked = pending.substr(0, whole);
            pending.erase(0, whole);
            goes_on = co_await answer(stream, asked, head + 4);
        }
    }

    static aloft::task<bool> receive(aloft::tcp_stream& stream, std::string& to) {
        std::array<char, 256> buffer{};
        const std::size_t got = co_await stream.read_some(std::span<char>(buffer));
        to.append(buffer.data(), got);
        co_return got > 0;
    }

    [[nodiscard]] static std::size_t body_length(std::string_view head) {
        constexpr std::string_view name = "\r\nContent-Length: ";
        const std::size_t at = head.find(name);
        return at == std::string_view::npos
                   ? 0
                   : std::stoul(std::string(head.substr(at + name.size())));
    }

    /// False: the conversation is over.
    aloft::task<bool> answer(aloft::tcp_stream& stream, const std::string& asked,
                             std::size_t head) {
        const std::string line = asked.substr(0, asked.find(" HTTP/"));
        const std::size_t slash = line.rfind('/');
        const std::string kind = line.substr(slash + 1);
        const std::size_t number = line.find('/') + 1;
        co_await aloft::sleep_for(kind == "slow" ? std::chrono::microseconds(500'000)
                                                 : some_time(2'000));
        ++served_[std::stoi(line.substr(number, slash - number))];
        if (kind == "drop") {
            co_return false;
        }
        if (kind == "garbage") {
            co_await stream.write_all(std::string_view("220 this is for mail\r\n"));
            co_return false;
        }
        std::string body = line + ' ' + asked.substr(head);
        std::string text = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                           (kind == "close" ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n");
        if (!line.starts_with("HEAD")) {
            text += body;
        }
        if (kind == "part") {
            text.resize(text.size() - 1);
        }
        co_await stream.write_all(std::string_view(text));
        co_return kind == "echo" || kind == "slow";
    }

    [[nodiscard]] std::chrono::microseconds some_time(std::uint64_t most) {
        return std::chrono::microseconds(aloft::detail::splitmix(dice_) % (most + 1));
    }

    std::uint64_t dice_;
    std::size_t connections_ = 0;
    std::size_t sessions_ = 0;
    std::map<int, int> served_;
};

} // namespace adapter_tests

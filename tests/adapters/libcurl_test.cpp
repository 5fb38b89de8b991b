// SPDX-License-Identifier: MIT
// The libcurl adapter against small servers on aloft's own sockets, on every backend of this build.

#include "support.hpp"

#include "../../examples/user_page/http_server.hpp"

#include <aloft/adapters/libcurl.hpp>
#include <aloft/as_result.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/result.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>

#include <support/sockets.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using adapter_tests::any_backend;
using adapter_tests::open_descriptors;
using aloft::sync_wait;
using aloft::task;
using aloft::curl::client;
using aloft::curl::request;
using aloft::curl::response;
using Catch::Matchers::ContainsSubstring;
using user_page::http_answer;
using user_page::http_request;
using namespace std::chrono_literals;

/// A listener and the task that serves it; ended before the runtime is.
class server {
public:
    using program = std::function<task<>(aloft::tcp_listener&)>;

    server(aloft::runtime& rt, program serve)
        : runtime_(rt),
          program_(std::move(serve)),
          listener_(aloft::tcp_listener::bind(aloft::endpoint::loopback(0))),
          serving_(aloft::spawn(rt, settled(program_(listener_)))) {}
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() {
        listener_.close();
        sync_wait(runtime_, std::move(serving_));
    }

    [[nodiscard]] std::string url(std::string_view path) const {
        return "http://" + listener_.local_endpoint().to_string().append(path);
    }
    [[nodiscard]] std::string port() const {
        return std::to_string(listener_.local_endpoint().port());
    }

private:
    /// The end of the listener is the end of the program, not a failure.
    static task<> settled(task<> program) {
        try {
            co_await std::move(program);
        } catch (const std::system_error&) {
        }
    }

    aloft::runtime& runtime_;
    program program_; // a coroutine's captures live here, not in its frame
    aloft::tcp_listener listener_;
    aloft::join_handle<void> serving_;
};

/// Answers by path: /status/N, /echo, /large/BYTES, /slow/MILLISECONDS, /headers, else 404.
task<http_answer> answer(http_request asked) {
    const auto number = [&](std::string_view prefix) -> std::optional<unsigned long> {
        if (!asked.target.starts_with(prefix)) {
            return std::nullopt;
        }
        return std::stoul(asked.target.substr(prefix.size()));
    };
    if (const auto status = number("/status/")) {
        co_return http_answer(static_cast<unsigned>(*status), "status " + std::to_string(*status));
    }
    if (const auto size = number("/large/")) {
        co_return http_answer(200, std::string(*size, 'L'));
    }
    if (const auto delay = number("/slow/")) {
        co_await aloft::sleep_for(std::chrono::milliseconds(*delay));
        co_return http_answer(200, "late");
    }
    if (asked.target == "/echo") {
        co_return http_answer(200, asked.method + ' ' + asked.body);
    }
    if (asked.target == "/headers") {
        http_answer with_headers(200, "");
        with_headers.extra_headers = "X-One:  first \r\nx-two: second\r\nX-One: again\r\n";
        co_return with_headers;
    }
    co_return http_answer(404, "no such thing: " + asked.target);
}

task<> well_behaved(aloft::tcp_listener& listener) {
    return user_page::serve_http(listener, &answer);
}

/// What a request ended with; nothing if it did not fail.
std::optional<aloft::curl::error> failure(aloft::runtime& rt, task<response> transfer) {
    try {
        sync_wait(rt, std::move(transfer));
    } catch (const aloft::curl::error& failed) {
        return failed;
    }
    return std::nullopt;
}

std::error_code failure_of_opening(aloft::runtime& rt, client& http) {
    try {
        sync_wait(rt, http.open("http://127.0.0.1:1/", 3));
    } catch (const aloft::curl::error& failed) {
        return failed.code();
    }
    return {};
}

TEST_CASE("an answer has a status, headers and a body", "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server local(rt, &well_behaved);
    client http;
    const response ok = sync_wait(rt, http.get(local.url("/status/200")));
    CHECK(ok.status == 200);
    CHECK(ok.body == "status 200");
    CHECK(ok.url == local.url("/status/200"));
    CHECK(ok.find_header("content-length") == "10");
    CHECK_NOTHROW(ok.throw_if_error());
    const response headers = sync_wait(rt, http.get(local.url("/headers")));
    CHECK(headers.find_header("x-ONE") == "first");
    CHECK(headers.find_header("X-Two") == "second");
    CHECK(headers.find_header("X-Three") == std::nullopt);
    CHECK(headers.headers.size() == 4);
    CHECK(headers.body.empty());
}

TEST_CASE("a status of 500 is an answer, and an error only where it is asked for as one",
          "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server local(rt, &well_behaved);
    client http;
    const response failed = sync_wait(rt, http.get(local.url("/status/500")));
    CHECK(failed.status == 500);
    CHECK(failed.body == "status 500");
    CHECK_THROWS_WITH(failed.throw_if_error(), ContainsSubstring("HTTP status 500") &&
                                                   ContainsSubstring(local.url("/status/500")));
    const auto body = [&]() -> task<int> {
        const response missing = co_await http.get(local.url("/status/404"));
        try {
            missing.throw_if_error();
        } catch (const aloft::curl::status_error& caught) {
            co_return caught.status();
        }
        co_return 0;
    };
    CHECK(sync_wait(rt, body()) == 404);
}

TEST_CASE("a refused connection names the URL and says why", "[libcurl]") {
    aloft::runtime rt(any_backend());
    client http;
    const test_support::silent_port nobody;
    const std::string url = "http://" + nobody.endpoint().to_string() + "/";
    const auto failed = failure(rt, http.get(url));
    REQUIRE(failed);
    CHECK(failed->code() == std::errc::connection_refused);
    CHECK(failed->curl_code() == CURLE_COULDNT_CONNECT);
    CHECK(failed->url() == url);
    CHECK_THAT(failed->what(), ContainsSubstring("GET " + url));
    CHECK_THAT(failed->what(), ContainsSubstring("Connection refused"));
    CHECK(http.idle_sessions() == 1);
}

TEST_CASE("host names are resolved, and every address is tried", "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server local(rt, &well_behaved); // on 127.0.0.1 only; localhost may be ::1 as well
    client http;
    const std::string url = "http://localhost:" + local.port() + "/status/200";
    CHECK(sync_wait(rt, http.get(url)).status == 200);
    CHECK(sync_wait(rt, http.get(url)).status == 200);
    const std::string label(70, 'x'); // longer than a label may be: no server is asked
    CHECK_THROWS_AS(sync_wait(rt, http.get("http://" + label + ".invalid/")), std::system_error);
}

TEST_CASE("what is no URL for HTTP is refused before anything is sent", "[libcurl]") {
    aloft::runtime rt(any_backend());
    client http;
    for (const char* url : {"", "http://", "http://host:port/", "no such thing"}) {
        CHECK(failure(rt, http.get(url)));
    }
    const auto file = failure(rt, http.get("file:///etc/hostname"));
    REQUIRE(file);
    CHECK(file->curl_code() == CURLE_UNSUPPORTED_PROTOCOL);
    CHECK_THROWS_AS(client(0), std::system_error);
}

TEST_CASE("a slow answer ends at its time-out, and the client goes on", "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server local(rt, &well_behaved);
    client http(1);
    request impatient(local.url("/slow/60000"));
    impatient.timeout(100ms);
    const auto start = std::chrono::steady_clock::now();
    const auto failed = failure(rt, http.send(impatient));
    const auto took = std::chrono::steady_clock::now() - start;
    REQUIRE(failed);
    CHECK(failed->code() == std::errc::timed_out);
    CHECK(took >= 100ms);
    CHECK(took < 30s);
    request patient(local.url("/slow/20"));
    patient.timeout(30s);
    CHECK(sync_wait(rt, http.send(patient)).body == "late");
}

TEST_CASE("a connection that is reset in the middle of the body is an error", "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server local(rt, [](aloft::tcp_listener& listener) -> task<> {
        for (;;) {
            aloft::tcp_stream stream = co_await listener.accept();
            std::array<char, 4096> asked{};
            co_await stream.read_some(std::span<char>(asked));
            const std::string_view part =
                "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this";
            co_await stream.write_all(part);
            const linger at_once{1, 0}; // close() then resets
            ::setsockopt(stream.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            stream.close();
        }
    });
    client http;
    const auto failed = failure(rt, http.get(local.url("/half")));
    REQUIRE(failed);
    CHECK(failed->code() == std::errc::connection_reset);
    CHECK_THAT(failed->what(), ContainsSubstring(local.url("/half")));
}

TEST_CASE("what is no HTTP is an error", "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server local(rt, [](aloft::tcp_listener& listener) -> task<> {
        for (;;) {
            aloft::tcp_stream stream = co_await listener.accept();
            std::array<char, 4096> asked{};
            co_await stream.read_some(std::span<char>(asked));
            stream.close(); // no answer at all
        }
    });
    client http;
    const auto failed = failure(rt, http.get(local.url("/")));
    REQUIRE(failed);
    CHECK(failed->code() == std::errc::connection_reset);
}

TEST_CASE("requests one after the other go over one connection", "[libcurl]") {
    aloft::runtime rt(any_backend());
    std::atomic<int> accepted = 0;
    const server local(rt, [&accepted](aloft::tcp_listener& listener) -> task<> {
        const auto handler = std::make_shared<const user_page::http_handler>(&answer);
        for (;;) {
            aloft::tcp_stream stream = co_await listener.accept();
            ++accepted;
            auto one = std::make_unique<user_page::http_connection>(std::move(stream), handler);
            aloft::spawn(user_page::http_connection::serve(std::move(one))).detach();
        }
    });
    client http;
    for (int turn = 0; turn < 20; ++turn) {
        CHECK(sync_wait(rt, http.get(local.url("/status/200"))).status == 200);
    }
    CHECK(accepted == 1);
    CHECK(http.idle_sessions() == 1);
}

TEST_CASE("open() makes the connections that will be needed", "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server local(rt, &well_behaved);
    client http(20);
    sync_wait(rt, http.open(local.url("/status/200"), 12));
    CHECK(http.idle_sessions() == 12);
    sync_wait(rt, http.open(local.url("/status/200"), 1000));
    CHECK(http.idle_sessions() == 20);
    CHECK(sync_wait(rt, http.get(local.url("/status/200"))).status == 200);
    CHECK(failure_of_opening(rt, http) == std::errc::connection_refused);
    CHECK(http.idle_sessions() == 20);
}

TEST_CASE("a kept connection that the server has closed meanwhile is replaced", "[libcurl]") {
    aloft::runtime rt(any_backend());
    std::atomic<int> closed = 0;
    const server local(rt, [&closed](aloft::tcp_listener& listener) -> task<> {
        for (;;) {
            aloft::tcp_stream stream = co_await listener.accept();
            std::array<char, 4096> asked{};
            co_await stream.read_some(std::span<char>(asked));
            const std::string_view whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            co_await stream.write_all(whole); // promises to keep the connection, and does not
            stream.close();
            ++closed;
        }
    });
    client http(1);
    for (int turn = 1; turn <= 5; ++turn) {
        CHECK(sync_wait(rt, http.get(local.url("/"))).body == "ok");
        while (closed < turn) {
            std::this_thread::sleep_for(1ms);
        }
    }
}

TEST_CASE("two hundred requests at once, on a few sessions or on many", "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server local(rt, &well_behaved);
    for (const std::size_t maximum : {std::size_t{7}, std::size_t{200}}) {
        client http(maximum);
        std::vector<task<response>> all;
        for (unsigned number = 0; number < 200; ++number) {
            all.push_back(http.get(local.url("/large/" + std::to_string(number))));
        }
        const std::vector<response> answers = sync_wait(rt, aloft::when_all(std::move(all)));
        REQUIRE(answers.size() == 200);
        std::size_t wrong = 0;
        for (std::size_t number = 0; number < answers.size(); ++number) {
            const response& one = answers[number];
            wrong += one.status != 200 || one.body != std::string(number, 'L') ? 1U : 0U;
        }
        CHECK(wrong == 0);
        CHECK(http.idle_sessions() <= maximum);
        CHECK(http.idle_sessions() >= 1);
    }
}

TEST_CASE("a session may serve one host after the other", "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server first(rt, &well_behaved);
    const server second(rt, &well_behaved);
    client http(1);
    for (int turn = 0; turn < 5; ++turn) {
        CHECK(sync_wait(rt, http.get(first.url("/status/201"))).status == 201);
        CHECK(sync_wait(rt, http.get(second.url("/status/202"))).status == 202);
    }
    CHECK(http.idle_sessions() == 1);
}

TEST_CASE("methods and bodies arrive as they were given", "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server local(rt, &well_behaved);
    client http;
    const auto echoed = [&](request asked) {
        return sync_wait(rt, http.send(std::move(asked))).body;
    };
    CHECK(echoed(request(local.url("/echo")).body("some text")) == "POST some text");
    CHECK(echoed(request(local.url("/echo")).body("")) == "POST ");
    CHECK(echoed(request(local.url("/echo")).method("POST")) == "POST ");
    CHECK(echoed(request(local.url("/echo")).method("PUT").body("it")) == "PUT it");
    CHECK(echoed(request(local.url("/echo")).method("DELETE")) == "DELETE ");
    CHECK(echoed(request(local.url("/echo"))) == "GET ");
    const std::string with_zeros("a\0b\0", 4);
    CHECK(echoed(request(local.url("/echo")).body(with_zeros)) == "POST " + with_zeros);
    const std::string large(10U << 20U, 'x');
    CHECK(echoed(request(local.url("/echo")).body(large)) == "POST " + large);
}

TEST_CASE("a body of ten megabytes arrives whole", "[libcurl]") {
    aloft::runtime rt(any_backend());
    const server local(rt, &well_behaved);
    client http;
    const response large = sync_wait(rt, http.get(local.url("/large/10485760")));
    CHECK(large.body.size() == 10'485'760);
    CHECK(large.body.find_first_not_of('L') == std::string::npos);
}

TEST_CASE("no descriptor is left behind, whatever happened to requests", "[libcurl]") {
    const aloft::runtime_options options = any_backend();
    const std::size_t before = open_descriptors();
    {
        aloft::runtime rt(options);
        const server local(rt, &well_behaved);
        client http;
        sync_wait(rt, http.get(local.url("/status/200")));
        CHECK_THROWS(sync_wait(rt, http.get(local.url("/status/500"))).throw_if_error());
        request impatient(local.url("/slow/60000"));
        impatient.timeout(20ms);
        CHECK(failure(rt, http.send(impatient)));
        CHECK(failure(rt, http.get("http://127.0.0.1:1/")));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a runtime that ends takes waiting requests with it", "[libcurl]") {
    const aloft::runtime_options options = any_backend();
    const std::size_t before = open_descriptors();
    std::atomic<int> arrived = 0;
    std::atomic<int> ended = 0;
    {
        aloft::runtime serving(options);
        const server local(serving, [&arrived](aloft::tcp_listener& listener) -> task<> {
            return user_page::serve_http(listener, [&arrived](http_request) -> task<http_answer> {
                ++arrived;
                co_await aloft::sleep_for(60s);
                co_return http_answer();
            });
        });
        auto http = std::make_unique<client>();
        {
            const auto body = [&ended](task<response> transfer) -> task<> {
                static_cast<void>(co_await aloft::as_result(std::move(transfer)));
                ++ended;
            };
            aloft::runtime rt(options); // after the lambda that its tasks run in
            for (int number = 0; number < 5; ++number) {
                aloft::spawn(rt, body(http->get(local.url("/")))).detach();
            }
            http.reset(); // early destruction: the requests go on
            while (arrived < 5) {
                std::this_thread::sleep_for(1ms);
            }
        }
        CHECK(ended == 5);
    }
    CHECK(open_descriptors() == before);
}

} // namespace

// SPDX-License-Identifier: MIT
// The libcurl adapter in thousands of orders: the real libcurl, on the network and the clock of
// simulated worlds, against a server that is a program of these worlds.

#include "simulated/explore.hpp"
#include "simulated/toy_http.hpp"

#include <aloft/adapters/libcurl.hpp>
#include <aloft/as_result.hpp>
#include <aloft/clock.hpp>
#include <aloft/simulate.hpp>
#include <aloft/spawn.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_timeout.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

/// Multi handles, of which each session has one, and the transfers in them.
struct handle_counts {
    int multi = 0;
    int running = 0;
    friend bool operator==(const handle_counts&, const handle_counts&) = default;
};
handle_counts handles;

} // namespace

// The adapter finds these, and they find libcurl's.
extern "C" {

CURLM* curl_multi_init() {
    ++handles.multi;
    static const auto real = adapter_tests::system_calls::next<CURLM*()>("curl_multi_init");
    return real();
}
CURLMcode curl_multi_cleanup(CURLM* multi) {
    --handles.multi;
    static const auto real =
        adapter_tests::system_calls::next<CURLMcode(CURLM*)>("curl_multi_cleanup");
    return real(multi);
}
CURLMcode curl_multi_add_handle(CURLM* multi, CURL* easy) {
    ++handles.running;
    static const auto real =
        adapter_tests::system_calls::next<CURLMcode(CURLM*, CURL*)>("curl_multi_add_handle");
    return real(multi, easy);
}
CURLMcode curl_multi_remove_handle(CURLM* multi, CURL* easy) {
    --handles.running;
    static const auto real =
        adapter_tests::system_calls::next<CURLMcode(CURLM*, CURL*)>("curl_multi_remove_handle");
    return real(multi, easy);
}

} // extern "C"

namespace {

using adapter_tests::beside;
using adapter_tests::expect;
using adapter_tests::holds;
using adapter_tests::narrow;
using adapter_tests::toy_http;
using aloft::as_result;
using aloft::task;
using aloft::curl::client;
using aloft::curl::request;
using aloft::curl::response;
using namespace std::chrono_literals;

/// A server, and what the clients share.
struct world {
    explicit world(std::uint64_t seed) : server(seed), dice(seed) {}

    toy_http server;
    std::uint64_t dice;
    int requests = 0;

    [[nodiscard]] std::size_t draw(std::size_t below) { return adapter_tests::drawn(dice, below); }

    [[nodiscard]] request next(std::string_view kind, std::size_t size,
                               std::string_view host = toy_http::address) {
        const std::string path = '/' + std::to_string(++requests) + '/' + std::string(kind);
        request asked("http://" + std::string(host) + path);
        if (size > 0) {
            asked.body(std::string(size, static_cast<char>('a' + requests % 26)));
        }
        return asked;
    }

    /// What has to be true of an answer.
    static void check(const request& asked, const response& answer) {
        const std::string path = asked.url().substr(asked.url().find('/', 7));
        expect(answer.status == 200, "another status");
        expect(answer.body == asked.method() + ' ' + path + ' ' + asked.body().value_or(""),
               "another request's answer");
    }
};

[[nodiscard]] bool is_curl(const std::error_code& code, std::initializer_list<CURLcode> any_of) {
    for (const CURLcode each : any_of) {
        if (code == std::error_code(each, aloft::curl::curl_category())) {
            return true;
        }
    }
    return false;
}

/// What a connection that broke may end a request with.
[[nodiscard]] bool is_broken(const std::error_code& code) {
    return code == std::errc::connection_refused || code == std::errc::connection_reset ||
           is_curl(code, {CURLE_COULDNT_CONNECT, CURLE_RECV_ERROR, CURLE_SEND_ERROR,
                          CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE});
}

/// All permits are there, and no transfer is left behind.
task<> nothing_is_lost(client& http, std::size_t maximum) {
    expect(handles.running == 0, "a handle was left in a multi handle");
    expect(http.idle_sessions() <= maximum, "more sessions than permits");
    const std::string url = "http://" + std::string(toy_http::address) + "/0/echo";
    (void)co_await as_result(http.open(url, maximum)); // for which it takes all permits
    expect(http.idle_sessions() == maximum, "a session is lost");
    expect(static_cast<std::size_t>(handles.multi) == maximum, "a session too many, or too few");
}

template <class Main>
void holds_and_frees(const aloft::simulation_options& options, Main main, std::size_t count) {
    handles = {};
    holds(options, main, count);
    CHECK(handles == handle_counts{});
}

TEST_CASE("every request gets its own answer, over few connections and in small pieces",
          "[libcurl]") {
    const auto program = [](std::uint64_t seed) -> task<> {
        world all(seed);
        const auto clients = [&]() -> task<> {
            client http(2);
            const auto ask = [&](std::size_t size) -> task<> {
                for (int turn = 0; turn < 2; ++turn) {
                    const request asked = all.next("echo", size);
                    const int number = all.requests;
                    const response answer = co_await http.send(asked);
                    world::check(asked, answer);
                    expect(all.server.served(number) == 1, "it was not served once");
                }
            };
            co_await aloft::when_all(ask(0), ask(10), ask(300), ask(700));
            expect(all.server.connections() <= 2, "a connection was not kept");
            co_await nothing_is_lost(http, 2);
        };
        co_await beside(all.server, clients);
    };
    holds_and_frees(narrow(), program, 2000);
}

TEST_CASE("whatever breaks, a request ends once, and its session serves on", "[libcurl]") {
    std::size_t answered = 0;
    std::size_t broken = 0;
    const auto program = [&](std::uint64_t seed) -> task<> {
        world all(seed);
        const auto clients = [&]() -> task<> {
            client http(2);
            const auto ask = [&]() -> task<> {
                for (int turn = 0; turn < 3; ++turn) {
                    constexpr std::array<const char*, 8> kinds{"echo", "leave",   "close", "drop",
                                                               "part", "garbage", "echo",  "leave"};
                    const std::size_t kind = all.draw(kinds.size());
                    const request asked = all.next(kinds.at(kind), all.draw(2) * all.draw(300));
                    const int number = all.requests;
                    const auto answer = co_await as_result(http.send(asked));
                    if (answer) {
                        ++answered;
                        expect(kind < 3 || kind > 5, "an answer out of nothing");
                        world::check(asked, *answer);
                        expect(all.server.served(number) >= 1, "an answer to nothing");
                    } else {
                        ++broken;
                        expect(
                            is_broken(answer.error()) ||
                                (kind == 5 && is_curl(answer.error(), {CURLE_UNSUPPORTED_PROTOCOL,
                                                                       CURLE_WEIRD_SERVER_REPLY})),
                            "another error");
                    }
                }
            };
            co_await aloft::when_all(ask(), ask(), ask());
            co_await nothing_is_lost(http, 2);
        };
        co_await beside(all.server, clients);
    };
    holds_and_frees(narrow().resets(0.003).refusals(0.05), program, 2000);
    CHECK(answered > 0);
    CHECK(broken > 0);
}

TEST_CASE("a request ends at its time-out or when it is stopped, and nothing of it is left",
          "[libcurl]") {
    std::size_t in_time = 0;
    std::size_t late = 0;
    std::size_t stopped = 0;
    const auto program = [&](std::uint64_t seed) -> task<> {
        world all(seed);
        const auto clients = [&]() -> task<> {
            const std::size_t sessions = 2 + all.draw(2); // the third has to wait, or not
            client http(sessions);
            const auto ask = [&]() -> task<> {
                for (int turn = 0; turn < 2; ++turn) {
                    request asked = all.next(all.draw(4) == 0 ? "slow" : "echo", 100);
                    const std::chrono::milliseconds limit(1 + all.draw(30));
                    asked.timeout(limit);
                    const std::chrono::microseconds patience(all.draw(60'000));
                    const auto start = aloft::clock::now();
                    const auto answer =
                        co_await as_result(aloft::with_timeout(patience, http.send(asked)));
                    const auto took = aloft::clock::now() - start;
                    if (answer) {
                        ++in_time;
                        world::check(asked, *answer);
                    } else if (is_curl(answer.error(), {CURLE_OPERATION_TIMEDOUT})) {
                        ++late;
                        expect(took >= limit, "it ended before its time");
                    } else {
                        ++stopped;
                        expect(answer.error() == std::errc::timed_out && took >= patience,
                               "another error");
                    }
                    expect(took < patience + 10ms, "it did not heed the stop");
                    expect(sessions < 3 || took < limit + 10ms, "it did not heed its time-out");
                }
            };
            co_await aloft::when_all(ask(), ask(), ask());
            co_await nothing_is_lost(http, sessions);
        };
        co_await beside(all.server, clients);
    };
    holds_and_frees(narrow(), program, 2000);
    CHECK(in_time > 0);
    CHECK(late > 0);
    CHECK(stopped > 0);
}

TEST_CASE("the addresses of a name are tried one after the other until one answers", "[libcurl]") {
    adapter_tests::ledger().names = {
        {"two.simulated", {"10.0.0.9", std::string(toy_http::address)}},
        {"gone.simulated", {"10.0.0.9", "10.0.0.8"}}};
    const auto program = [](std::uint64_t seed) -> task<> {
        world all(seed);
        const auto clients = [&]() -> task<> {
            client http(2);
            const auto ask = [&](const char* host) -> task<> {
                const request asked = all.next("echo", 20, host);
                const auto answer = co_await as_result(http.send(asked));
                if (std::string_view(host).starts_with("two")) {
                    expect(static_cast<bool>(answer), "no address answered");
                    world::check(asked, *answer);
                } else if (std::string_view(host).starts_with("gone")) {
                    expect(!answer && answer.error() == std::errc::connection_refused,
                           "an answer from nobody");
                } else {
                    expect(!answer, "a name that nobody knows");
                }
            };
            co_await aloft::when_all(ask("two.simulated"), ask("gone.simulated"),
                                     ask("two.simulated"), ask("unknown.simulated"));
            // What did not answer is looked up anew.
            auto& moving = adapter_tests::ledger().names["moving.simulated"];
            moving = {"10.0.0.9"};
            const auto before =
                co_await as_result(http.send(all.next("echo", 0, "moving.simulated")));
            moving = {std::string(toy_http::address)};
            const request again = all.next("echo", 0, "moving.simulated");
            const response after = co_await http.send(again);
            world::check(again, after);
            expect(!before, "an answer from nobody");
            co_await nothing_is_lost(http, 2);
        };
        co_await beside(all.server, clients);
    };
    holds_and_frees(narrow(), program, 2000);
    adapter_tests::ledger().names.clear();
}

TEST_CASE("a runtime that ends at any time takes requests with it", "[libcurl]") {
    std::size_t ended = 0;
    const auto program = [&](std::uint64_t seed) -> task<> {
        const auto all = std::make_shared<world>(seed);
        const auto serve = [](std::shared_ptr<world> in) -> task<> {
            (void)co_await as_result(in->server.serve());
        };
        const auto ask = [](std::shared_ptr<world> in, std::shared_ptr<client> http,
                            std::size_t& count) -> task<> {
            const auto go_on = [&]() -> task<> {
                for (;;) {
                    const request asked = in->next("echo", 150);
                    const response answer = co_await http->send(asked);
                    world::check(asked, answer);
                }
            };
            (void)co_await as_result(go_on());
            ++count;
        };
        const auto http = std::make_shared<client>(2);
        spawn(serve(all)).detach();
        for (int each = 0; each < 3; ++each) {
            spawn(ask(all, http, ended)).detach();
        }
        co_await aloft::sleep_for(std::chrono::microseconds(all->draw(20'000)));
    };
    const std::size_t seeds = 2000;
    holds_and_frees(narrow(), program, seeds);
    CHECK(ended == 3 * testing::scaled(seeds));
}

} // namespace

// SPDX-License-Identifier: MIT
// resolve: names and numbers, errors in its own category, and the end of the runtime.
#include <aloft/resolve.hpp>

#include <support/descriptors.hpp>
#include <support/endings.hpp>

#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <catch2/catch_test_macros.hpp>

#if !defined(_WIN32) // there aloft brings it
#include <netdb.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::endpoint;
using aloft::resolve;
using aloft::runtime;
using aloft::sync_wait;
using aloft::task;

TEST_CASE("numeric addresses are resolved without a blocking thread") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    CHECK(sync_wait(rt, resolve("127.0.0.1", "80")) == std::vector{endpoint{"127.0.0.1", 80}});
    CHECK(sync_wait(rt, resolve("::1", "443")) == std::vector{endpoint{"::1", 443}});
    CHECK(sync_wait(rt, resolve("10.1.2.3", 65535)) == std::vector{endpoint{"10.1.2.3", 65535}});
    CHECK(rt.blocking_threads() == 0);
}

TEST_CASE("a host name gives at least one address with the port") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const std::vector<endpoint> found = sync_wait(rt, resolve("localhost", 8080));
    REQUIRE_FALSE(found.empty());
    for (const endpoint& each : found) {
        CHECK((each.address() == "127.0.0.1" || each.address() == "::1"));
        CHECK(each.port() == 8080);
    }
}

TEST_CASE("a service may be a name") {
    const no_leaked_descriptors descriptors;
    if (::getservbyname("http", "tcp") == nullptr) {
        SKIP("this machine has no list of services");
    }
    runtime rt(workers(1));
    CHECK(sync_wait(rt, resolve("127.0.0.1", "http")) == std::vector{endpoint{"127.0.0.1", 80}});
}

TEST_CASE("no host is this machine") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const std::vector<endpoint> found = sync_wait(rt, resolve("", "80"));
    CHECK(std::ranges::any_of(found, [](const endpoint& each) {
        return each.address() == "127.0.0.1" || each.address() == "::1";
    }));
}

TEST_CASE("what cannot be resolved is an error of its own category that names host and service") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const std::string label(70, 'x'); // longer than a label may be: no server is asked
    const ending host = ending_of(rt, [&] { return resolve(label + ".invalid", "80"); });
    CHECK(host.code.category() == aloft::resolve_category());
    CHECK(host.says("resolve"));
    CHECK(host.says(label));
    CHECK(host.says("80"));
    const ending service = ending_of(rt, [] { return resolve("127.0.0.1", "no-such-service"); });
    CHECK(service.code.category() == aloft::resolve_category());
    CHECK(service.says("no-such-service"));
    CHECK(std::string(aloft::resolve_category().name()) == "resolve");
    CHECK_FALSE(service.code.message().empty());
}

TEST_CASE("many look-ups at once all end") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2).blocking_threads(4));
    std::vector<task<std::vector<endpoint>>> look_ups;
    for (std::uint16_t i = 0; i < 100; ++i) {
        look_ups.push_back(resolve(i % 2 == 0 ? "localhost" : "127.0.0.1", i));
    }
    const auto found = sync_wait(rt, aloft::when_all(std::move(look_ups)));
    REQUIRE(found.size() == 100);
    for (std::uint16_t i = 0; i < 100; ++i) {
        REQUIRE_FALSE(found[i].empty());
        REQUIRE(found[i].front().port() == i);
    }
}

TEST_CASE("a look-up that waits for a thread ends when the runtime does") {
    const no_leaked_descriptors descriptors;
    std::atomic<bool> blocked{false};
    std::atomic<bool> go_on{false};
    std::atomic<int> begun{0};
    ending result;
    {
        runtime rt(workers(1).blocking_threads(1));
        auto block = [&] {
            blocked = true;
            wait_until([&] { return go_on.load(); });
        };
        aloft::spawn(rt, aloft::offload(block)).detach();
        wait_until([&] { return blocked.load(); });
        // The thread is free again when the look-up has ended, and not before.
        auto look_up = [&]() -> task<void> {
            co_await run_and_record([] { return resolve("localhost", "80"); }, begun, result);
            go_on = true;
        };
        aloft::spawn(rt, look_up).detach();
        wait_until([&] { return begun.load() == 1; });
        sync_wait(rt, aloft::sleep_for(1ms));
    }
    CHECK(result.canceled());
}

TEST_CASE("after the stop names are refused and numbers are not") {
    const no_leaked_descriptors descriptors;
    CHECK(ended_by_refusal([] { return resolve("localhost", "80"); }).canceled());
    CHECK(ended_by_refusal([] { return resolve("127.0.0.1", "80"); }).succeeded);
}

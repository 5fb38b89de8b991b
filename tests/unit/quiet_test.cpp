// SPDX-License-Identifier: MIT
// A program whose tasks all wait leaves the processor alone: no thread of the runtime wakes up.
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>

#include <support/descriptors.hpp>
#include <support/hang_guard.hpp>
#include <support/sockets.hpp>

#include <catch2/catch_test_macros.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;

namespace {

/// Voluntary context switches so far of all threads of the runtime, which have its name. (A
/// sanitizer may have threads of its own.)
std::uint64_t switches_of_runtime() {
    std::uint64_t sum = 0;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::ifstream(thread.path() / "comm") >> name;
        if (!name.starts_with("aloft")) {
            continue;
        }
        std::ifstream status(thread.path() / "status");
        std::string word;
        while (status >> word) {
            if (word == "voluntary_ctxt_switches:") {
                std::uint64_t count = 0;
                status >> count;
                sum += count;
            }
        }
    }
    return sum;
}

} // namespace

TEST_CASE("a thousand parked receives and no traffic: at most one switch per second") {
    const no_leaked_descriptors descriptors;
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 2'048));
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    std::vector<stream_pair> pairs; // both ends receive
    while (pairs.size() < 500) {
        pairs.push_back(unix_pair());
    }
    aloft::runtime rt(aloft::runtime_options{}.threads(2));
    std::vector<aloft::join_handle<std::size_t>> handles;
    auto receive = [](const aloft::tcp_stream& from) -> aloft::task<std::size_t> {
        std::array<char, 16> buffer{};
        co_return co_await from.read_some(std::span(buffer));
    };
    for (const stream_pair& each : pairs) {
        handles.push_back(aloft::spawn(rt, receive(each.near)));
        handles.push_back(aloft::spawn(rt, receive(each.far)));
    }
    REQUIRE(handles.size() == 1'000);
    // Until everything has gone to rest: no switch in half a second.
    std::uint64_t before = switches_of_runtime();
    for (;;) {
        std::this_thread::sleep_for(500ms);
        const std::uint64_t now = switches_of_runtime();
        if (now == before) {
            break;
        }
        before = now;
    }
    constexpr auto quiet = 3s;
    std::this_thread::sleep_for(quiet);
    const std::uint64_t switches = switches_of_runtime() - before;
    CAPTURE(switches);
    CHECK(switches <= static_cast<std::uint64_t>(quiet.count()));
    CHECK(
        std::none_of(handles.begin(), handles.end(), [](const auto& each) { return each.done(); }));
    for (const stream_pair& each : pairs) {
        REQUIRE(plain_send(each.near.native_handle(), "x", 1));
        REQUIRE(plain_send(each.far.native_handle(), "x", 1));
    }
    for (auto& each : handles) {
        REQUIRE(aloft::sync_wait(rt, each) == 1);
    }
}

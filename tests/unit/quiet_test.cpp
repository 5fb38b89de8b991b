// SPDX-License-Identifier: MIT
// A program whose tasks all wait leaves the processor alone: no thread of the runtime wakes up.
#include <aloft/poll.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>

#include <support/descriptors.hpp>
#include <support/hang_guard.hpp>

#include <catch2/catch_test_macros.hpp>

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
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

TEST_CASE("a thousand parked operations and no traffic: at most one switch per second") {
    const no_leaked_descriptors descriptors;
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 2'048));
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    std::vector<int> events;
    while (events.size() < 1'000) {
        events.push_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        REQUIRE(events.back() >= 0);
    }
    {
        aloft::runtime rt(aloft::runtime_options{}.threads(2));
        std::vector<aloft::join_handle<>> handles;
        std::atomic<std::size_t> woken{0};
        auto wait = [&](int fd) -> aloft::task<> {
            co_await aloft::poll(fd, aloft::poll_events::in);
            woken.fetch_add(1);
        };
        for (const int fd : events) {
            handles.push_back(aloft::spawn(rt, wait(fd)));
        }
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
        CHECK(woken.load() == 0);
        for (const int fd : events) {
            const std::uint64_t one = 1;
            REQUIRE(::write(fd, &one, sizeof one) == sizeof one);
        }
        for (auto& each : handles) {
            aloft::sync_wait(rt, each);
        }
        CHECK(woken.load() == events.size());
    }
    for (const int fd : events) {
        ::close(fd);
    }
}

// SPDX-License-Identifier: MIT
// poll: readiness, limits, errors, cancellation, and early destruction.
#include <aloft/poll.hpp>

#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/sockets.hpp>
#include <support/temporary_directory.hpp>

#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::poll;
using aloft::poll_events;
using aloft::runtime;
using aloft::sync_wait;
using aloft::task;

namespace {

class event_counter {
public:
    event_counter() : fd_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {}
    [[nodiscard]] int fd() const { return fd_.get(); }
    void raise() const {
        const std::uint64_t one = 1;
        (void)!::write(fd_.get(), &one, sizeof one);
    }
    void clear() const {
        std::uint64_t count = 0;
        (void)!::read(fd_.get(), &count, sizeof count);
    }

private:
    aloft::detail::descriptor fd_;
};

task<void> poll_and_count(int fd, std::atomic<int>& begun, std::atomic<int>& ready) {
    ++begun;
    const poll_events events = co_await poll(fd, poll_events::in);
    ready += any(events & poll_events::in) ? 1 : 0;
}

/// Either the event or the limit ends it, and the event counter says which must have happened.
task<void> race_against_limit(int fd, std::chrono::microseconds limit, int& ready, int& late) {
    try {
        (void)co_await poll(fd, poll_events::in, limit);
        ++ready;
    } catch (const std::system_error& error) {
        late += error.code() == std::errc::timed_out ? 1 : 0;
    }
}

} // namespace

TEST_CASE("the sets of events combine and test") {
    constexpr poll_events both = poll_events::in | poll_events::out;
    STATIC_REQUIRE(any(both & poll_events::in));
    STATIC_REQUIRE_FALSE(any(both & poll_events::error));
    STATIC_REQUIRE_FALSE(any(poll_events::none));
}

TEST_CASE("a descriptor that is ready already ends the poll at once") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const event_counter counter;
    CHECK(sync_wait(rt, poll(counter.fd(), poll_events::in | poll_events::out)) ==
          poll_events::out);
    counter.raise();
    CHECK(sync_wait(rt, poll(counter.fd(), poll_events::in | poll_events::out)) ==
          (poll_events::in | poll_events::out));
    CHECK(sync_wait(rt, poll(counter.fd(), poll_events::in)) == poll_events::in);
    CHECK(sync_wait(rt, poll(counter.fd(), poll_events::in, 1h)) == poll_events::in);
    CHECK(sync_wait(rt, poll(counter.fd(), poll_events::in, 0s)) == poll_events::in);
}

TEST_CASE("a descriptor that becomes ready ends the poll") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    runtime rt(workers(threads));
    const event_counter counter;
    std::atomic<int> begun{0};
    std::atomic<int> ready{0};
    std::vector<aloft::join_handle<void>> polls;
    for (int i = 0; i < 50; ++i) { // several polls of one descriptor
        polls.push_back(aloft::spawn(rt, poll_and_count(counter.fd(), begun, ready)));
    }
    wait_until([&] { return begun.load() == 50; });
    CHECK(ready == 0);
    counter.raise();
    sync_wait(rt, aloft::when_all(std::move(polls)));
    CHECK(ready == 50);
}

TEST_CASE("a peer that is gone is reported though nobody asked for it") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    SECTION("the write end of a pipe") {
        ::close(ends[1]);
        CHECK(any(sync_wait(rt, poll(ends[0], poll_events::in)) & poll_events::hangup));
        CHECK(any(sync_wait(rt, poll(ends[0], poll_events::none)) & poll_events::hangup));
        ::close(ends[0]);
    }
    SECTION("the read end of a pipe") {
        ::close(ends[0]);
        CHECK(any(sync_wait(rt, poll(ends[1], poll_events::out)) & poll_events::error));
        ::close(ends[1]);
    }
}

TEST_CASE("exceptional data is reported as priority") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const stream_pair pair = tcp_pair();
    REQUIRE(::send(pair.far.native_handle(), "!", 1, MSG_OOB) == 1);
    CHECK(any(sync_wait(rt, poll(pair.near.native_handle(), poll_events::priority)) &
              poll_events::priority));
}

TEST_CASE("polling what is no descriptor is an error that names it") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const ending plain = ending_of(rt, [] { return poll(-1, poll_events::in); });
    CHECK(plain.code == std::errc::bad_file_descriptor);
    CHECK(plain.says("poll"));
    CHECK(plain.says("-1"));
    const ending limited = ending_of(rt, [] { return poll(-1, poll_events::in, 1h); });
    CHECK(limited.code == std::errc::bad_file_descriptor);
}

TEST_CASE("a file is always ready") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const temporary_directory directory;
    const aloft::detail::descriptor file(
        ::open((directory / "file").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    REQUIRE(file.valid());
    CHECK(any(sync_wait(rt, poll(file.get(), poll_events::in)) & poll_events::in));
}

TEST_CASE("a poll whose limit passes ends with timed_out and not before") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const event_counter counter;
    const auto limit = GENERATE(0ms, 1ms, 20ms);
    const auto before = std::chrono::steady_clock::now();
    const ending result = ending_of(rt, [&] { return poll(counter.fd(), poll_events::in, limit); });
    CHECK(std::chrono::steady_clock::now() - before >= limit);
    CHECK(result.code == std::errc::timed_out);
    CHECK(result.says("poll"));
    CHECK(result.says(std::to_string(counter.fd())));
    CHECK(ending_of(rt, [&] { return poll(counter.fd(), poll_events::in, -1s); }).code ==
          std::errc::timed_out);
}

TEST_CASE("limits work with every size of the submission queue") {
    const no_leaked_descriptors descriptors;
    const unsigned entries = GENERATE(1u, 2u, 3u, 4u);
    runtime rt(workers(1).ring_entries(entries));
    INFO("backend: " << rt.backend());
    const event_counter counter;
    std::vector<task<void>> polls;
    int ready = 0;
    int late = 0;
    for (int i = 0; i < 20; ++i) {
        polls.push_back(race_against_limit(counter.fd(), 1ms, ready, late));
    }
    sync_wait(rt, aloft::when_all(std::move(polls)));
    CHECK(ready == 0);
    CHECK(late == 20);
}

TEST_CASE("the event or the limit ends a poll, never both and never neither") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const event_counter counter;
    int ready = 0;
    int late = 0;
    constexpr int rounds = 2000;
    for (int i = 0; i < rounds; ++i) {
        auto handle = aloft::spawn(rt, race_against_limit(counter.fd(),
                                                          std::chrono::microseconds(random() % 60),
                                                          ready, late));
        for (unsigned spins = static_cast<unsigned>(random() % 2000); spins > 0; --spins) {
            aloft::detail::spin_pause();
        }
        counter.raise();
        sync_wait(rt, handle);
        REQUIRE(ready + late == i + 1);
        counter.clear();
    }
}

TEST_CASE("polls in flight are cancelled by the runtime's destruction") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    const event_counter counter;
    const ending plain =
        ended_by_destruction([&] { return poll(counter.fd(), poll_events::in); }, threads);
    CHECK(plain.canceled());
    CHECK(plain.says("poll"));
    const ending limited =
        ended_by_destruction([&] { return poll(counter.fd(), poll_events::in, 1h); }, threads);
    CHECK(limited.canceled());
}

TEST_CASE("polls that begin after the stop are refused") {
    const no_leaked_descriptors descriptors;
    const event_counter counter;
    counter.raise(); // even what is ready
    CHECK(ended_by_refusal([&] { return poll(counter.fd(), poll_events::in); }).canceled());
    CHECK(ended_by_refusal([&] { return poll(counter.fd(), poll_events::in, 1h); }).canceled());
}

TEST_CASE("a polling frame that is destroyed takes its poll with it") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const event_counter counter;
    const auto plain = [&] { return poll(counter.fd(), poll_events::in); };
    const auto limited = [&] { return poll(counter.fd(), poll_events::in, 1h); };
    for (int i = 0; i < 200; ++i) {
        REQUIRE(destroyed_on_its_worker(rt, plain));
        REQUIRE(destroyed_on_its_worker(rt, limited));
        REQUIRE(destroyed_on_another_thread(rt, plain));
        REQUIRE(destroyed_on_another_thread(rt, limited));
    }
    REQUIRE(destroyed_on_its_worker(rt, plain, 2ms));
    REQUIRE(destroyed_on_its_worker(rt, limited, 2ms));
    counter.raise();
    CHECK(sync_wait(rt, plain()) == poll_events::in);
}

TEST_CASE("polls that are begun on a thread without a runtime end on the default runtime") {
    (void)aloft::default_runtime();
    const no_leaked_descriptors descriptors;
    const event_counter counter;
    std::atomic<bool> ended{false};
    (void)run_in_orphan([&] { return poll(counter.fd(), poll_events::in); }, ended);
    counter.raise();
    wait_until([&] { return ended.load(); });
    CHECK(ended);
}

// SPDX-License-Identifier: MIT
// Pipes on POSIX: signals, tiny capacities, limits, descriptors of others, and pipes that offer no
// call that surely does not block.
#include <aloft/pipe.hpp>

#include <support/descriptor_limit.hpp>
#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/fifo.hpp>
#include <support/pipes.hpp>
#include <support/sockets.hpp>
#include <support/temporary_directory.hpp>
#include <support/wait_until.hpp>

#include <aloft/poll.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/with_stop.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::pipe_reader;
using aloft::pipe_writer;
using aloft::poll;
using aloft::poll_events;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;

namespace {

/// As kernels before 6.4 answer for pipes, and all of them for named ones.
std::atomic<bool> pipes_can_wait_only{false};

class kernel_without_nowait {
public:
    kernel_without_nowait() { pipes_can_wait_only = true; }
    kernel_without_nowait(const kernel_without_nowait&) = delete;
    kernel_without_nowait& operator=(const kernel_without_nowait&) = delete;
    ~kernel_without_nowait() { pipes_can_wait_only = false; }
};

ssize_t call_unless_refused(long number, int fd, const iovec* parts, int count, off_t at,
                            int flags) {
    if (pipes_can_wait_only && (flags & RWF_NOWAIT) != 0) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return ::syscall(number, fd, parts, count, at, 0, flags);
}

} // namespace

/// Stand in for the C library's.
extern "C" ssize_t preadv2(int fd, const iovec* parts, int count, off_t at, int flags) {
    return call_unless_refused(SYS_preadv2, fd, parts, count, at, flags);
}
extern "C" ssize_t pwritev2(int fd, const iovec* parts, int count, off_t at, int flags) {
    return call_unless_refused(SYS_pwritev2, fd, parts, count, at, flags);
}

namespace {

std::atomic<int> signals_seen{0};

/// Counts the SIGPIPE that reach any thread of the process, and lets this thread get them.
class broken_pipe_counter {
public:
    broken_pipe_counter() {
        signals_seen = 0;
        struct sigaction counting = {};
        counting.sa_handler = [](int) { ++signals_seen; };
        (void)checked(::sigaction(SIGPIPE, &counting, &action_before_), "sigaction");
        sigset_t only;
        sigemptyset(&only);
        sigaddset(&only, SIGPIPE);
        (void)::pthread_sigmask(SIG_UNBLOCK, &only, &mask_before_);
    }
    broken_pipe_counter(const broken_pipe_counter&) = delete;
    broken_pipe_counter& operator=(const broken_pipe_counter&) = delete;
    ~broken_pipe_counter() {
        (void)::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
        (void)::sigaction(SIGPIPE, &action_before_, nullptr);
    }

private:
    struct sigaction action_before_ = {};
    sigset_t mask_before_{};
};

void set_capacity(const pipe_writer& writer, int bytes) {
    (void)checked(::fcntl(writer.native_handle(), F_SETPIPE_SZ, bytes), "F_SETPIPE_SZ");
}

/// A named pipe's ends: no kernel offers a call on them that surely does not block.
[[nodiscard]] aloft::pipe_ends named_pipe(const temporary_directory& directory) {
    const std::string path = make_fifo(directory, "fifo").string();
    const int reading =
        checked(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC), "open for reading");
    const int writing = checked(::open(path.c_str(), O_WRONLY | O_CLOEXEC), "open for writing");
    (void)checked(::fcntl(reading, F_SETFL, 0), "F_SETFL"); // which opening it was not to wait for
    return {pipe_reader::adopt(reading), pipe_writer::adopt(writing)};
}

/// What the library makes itself, here and on older kernels, and what others make.
[[nodiscard]] aloft::pipe_ends pipe_of_kind(int kind, const temporary_directory& directory) {
    pipes_can_wait_only = kind == 1;
    return kind == 2 ? named_pipe(directory) : aloft::pipe();
}

/// Writes, and then says so.
task<void> write_and_tell(const pipe_writer& writer, std::string_view text,
                          std::atomic<int>& told) {
    (void)co_await writer.write_all(text);
    ++told;
}

} // namespace

// ---- signals ----

TEST_CASE("writing to a pipe that nobody reads raises no signal, whoever makes the call") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const broken_pipe_counter counter;
    const int kind = GENERATE(0, 1, 2);
    const kernel_without_nowait restored;
    const std::size_t threads = GENERATE(1u, 2u);
    runtime rt(workers(threads));
    auto [reader, writer] = pipe_of_kind(kind, directory);
    const auto write = [&w = writer] { return w.write_all("more"); };
    SECTION("a worker, for a task of its own") {
        reader.close();
        std::atomic<int> begun{0};
        ending result;
        auto handle = spawn(rt, run_and_record(write, begun, result));
        sync_wait(rt, handle);
        CHECK(result.code == std::errc::broken_pipe);
    }
    SECTION("for a thread that is no worker") {
        reader.close();
        CHECK_THROWS_AS(sync_wait(rt, writer.write_some("more")), std::system_error);
        ending result;
        std::thread stranger([&] { result = ending_of(rt, write); });
        stranger.join();
        CHECK(result.code == std::errc::broken_pipe);
    }
    SECTION("whoever finds that a writer need not wait any more") {
        fill(rt, writer);
        std::atomic<int> begun{0};
        ending result;
        auto handle = spawn(rt, run_and_record(write, begun, result));
        wait_until([&] { return begun.load() == 1; });
        sync_wait(rt, aloft::sleep_for(1ms));
        reader.close();
        sync_wait(rt, handle);
        CHECK(result.code == std::errc::broken_pipe);
    }
    CHECK(signals_seen == 0);
}

TEST_CASE("the default runtime's threads write to a broken pipe without a signal, too") {
    (void)aloft::default_runtime(); // stays
    const no_leaked_descriptors descriptors;
    const broken_pipe_counter counter;
    auto [reader, writer] = aloft::pipe();
    reader.close();
    std::atomic<int> begun{0};
    ending result;
    sync_wait(run_and_record([&w = writer] { return w.write_all("more"); }, begun, result));
    CHECK(result.code == std::errc::broken_pipe);
    CHECK(signals_seen == 0);
}

// ---- capacities ----

TEST_CASE("a megabyte goes through a pipe of one page, of whatever kind") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const kernel_without_nowait restored;
    const int kind = GENERATE(0, 1, 2);
    constexpr std::uint64_t bytes = 1 << 20;
    runtime rt(workers(2));
    auto [reader, writer] = pipe_of_kind(kind, directory);
    set_capacity(writer, 4096);
    const std::size_t block = GENERATE(1000u, 1u << 20);
    auto source = spawn(rt, write_pattern(std::move(writer), bytes, block));
    CHECK(sync_wait(rt, read_pattern(reader, 10'000)) == bytes);
    sync_wait(rt, source);
}

TEST_CASE("a write of more than a pipe holds can be stopped, and holds nothing and nobody") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const kernel_without_nowait restored;
    const int kind = GENERATE(0, 1, 2);
    const std::string much(1 << 20, 'f');
    auto [reader, writer] = pipe_of_kind(kind, directory);
    set_capacity(writer, 4096);
    const auto write_all = [&w = writer, &much] { return w.write_all(much); };
    SECTION("by a stop, more often than there are helper threads") {
        const bool no_more_descriptors = ALOFT_ASAN ? false : GENERATE(false, true);
        runtime rt(workers(1));
        std::optional<descriptor_limit> limit;
        if (no_more_descriptors) {
            limit.emplace();
        }
        std::vector<char> page(4096);
        for (int i = 0; i < 100; ++i) {
            aloft::stop_source source;
            std::atomic<int> begun{0};
            ending result;
            auto handle = spawn(
                rt, aloft::with_stop(source.get_token(), run_and_record(write_all, begun, result)));
            wait_until([&] { return begun.load() == 1; });
            sync_wait(rt, poll(reader.native_handle(), poll_events::in));
            source.request_stop();
            sync_wait(rt, handle);
            REQUIRE(result.canceled());
            REQUIRE(sync_wait(rt, reader.read_some(std::span(page))) > 0); // there is room again
        }
    }
    SECTION("by the runtime's end") {
        const std::size_t threads = GENERATE(1u, 2u);
        const ending result = ended_by_destruction(write_all, threads);
        CHECK(result.canceled());
        CHECK(result.says("write to pipe"));
    }
    SECTION("by the destruction of its frame") {
        runtime rt(workers(1));
        CHECK(destroyed_on_its_worker(rt, write_all));
        CHECK(destroyed_on_its_worker(rt, write_all, 2ms));
        CHECK(destroyed_on_another_thread(rt, write_all));
    }
    SECTION("while one that fits is taken") {
        runtime rt(workers(1));
        std::atomic<int> told{0};
        sync_wait(rt, write_and_tell(writer, "fits", told));
        CHECK(told == 1);
    }
    writer.close();
    runtime rt(workers(1));
    const std::string left = sync_wait(rt, read_text(reader));
    CHECK(left.size() <= 4096);
    CHECK((left == "fits" ||
           std::count(left.begin(), left.end(), 'f') == static_cast<std::ptrdiff_t>(left.size())));
}

TEST_CASE("two writers of one pipe that compete for its last page both can be stopped") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const kernel_without_nowait restored;
    const int kind = GENERATE(0, 1, 2);
    runtime rt(workers(2));
    auto [reader, first] = pipe_of_kind(kind, directory);
    const pipe_writer second =
        pipe_writer::adopt(checked(::fcntl(first.native_handle(), F_DUPFD_CLOEXEC, 0), "dup"));
    set_capacity(first, 4096);
    std::vector<char> page(4096);
    const std::string block(page.size(), 'f');
    for (int i = 0; i < 50; ++i) {
        aloft::stop_source source;
        std::atomic<int> begun{0};
        std::array<ending, 2> results;
        auto one = spawn(
            rt,
            aloft::with_stop(source.get_token(),
                             run_and_record([&w = first, &block] { return w.write_some(block); },
                                            begun, results[0])));
        auto other =
            spawn(rt, aloft::with_stop(source.get_token(),
                                       run_and_record([&] { return second.write_some(block); },
                                                      begun, results[1])));
        wait_until([&] { return begun.load() == 2; });
        sync_wait(rt, poll(reader.native_handle(), poll_events::in));
        sync_wait(rt, aloft::sleep_for(200us));
        source.request_stop();
        sync_wait(rt, one);
        sync_wait(rt, other);
        REQUIRE(results[0].succeeded != results[1].succeeded);
        REQUIRE(results[results[0].succeeded ? 1 : 0].canceled());
        REQUIRE(sync_wait(rt, reader.read_exact(std::span(page))) == page.size());
    }
}

// ---- descriptors ----

TEST_CASE("a pipe that cannot be made for want of descriptors says so and leaves none behind") {
    skip_where_checks_need_descriptors();
    const no_leaked_descriptors descriptors;
    for (const int further : {0, 1}) {
        ending result;
        {
            const descriptor_limit limit(further);
            try {
                (void)aloft::pipe();
            } catch (const std::system_error& error) {
                result.code = error.code();
                result.sentence = error.what();
            }
        }
        CHECK(result.code == std::errc::too_many_files_open);
        CHECK(result.says("pipe"));
    }
    CHECK(aloft::pipe().reader.is_open());
}

TEST_CASE("the ends of a pipe are not inherited by other programs, and are in blocking mode") {
    const no_leaked_descriptors descriptors;
    const aloft::pipe_ends ends = aloft::pipe();
    for (const int fd : {ends.reader.native_handle(), ends.writer.native_handle()}) {
        CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    }
}

TEST_CASE("what is taken over is waited for, and its flags stay as they are") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const bool is_named = GENERATE(false, true);
    const int flags = GENERATE(0, O_NONBLOCK);
    aloft::pipe_ends ends = is_named ? named_pipe(directory) : aloft::pipe();
    for (const int fd : {ends.reader.native_handle(), ends.writer.native_handle()}) {
        (void)checked(::fcntl(fd, F_SETFL, flags), "F_SETFL");
    }
    const pipe_reader reader = pipe_reader::adopt(ends.reader.release());
    const pipe_writer writer = pipe_writer::adopt(ends.writer.release());
    for (const int fd : {reader.native_handle(), writer.native_handle()}) {
        CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) == flags);
    }
    runtime rt(workers(1));
    std::array<char, 8> buffer{};
    auto waits = spawn(rt, reader.read_some(std::span(buffer)));
    sync_wait(rt, aloft::sleep_for(1ms));
    CHECK(sync_wait(rt, writer.write_some("data")) == 4);
    CHECK(sync_wait(rt, waits) == 4);
    fill(rt, writer);
    auto more = spawn(rt, writer.write_some("more"));
    sync_wait(rt, aloft::sleep_for(1ms));
    std::vector<char> all(pipe_capacity);
    CHECK(sync_wait(rt, reader.read_exact(std::span(all))) == pipe_capacity);
    CHECK(sync_wait(rt, more) == 4);
}

TEST_CASE("taking over what is no descriptor is an error that names it") {
    const no_leaked_descriptors descriptors;
    ending result;
    SECTION("a reader") {
        try {
            (void)pipe_reader::adopt(987654);
        } catch (const std::system_error& error) {
            result.code = error.code();
            result.sentence = error.what();
        }
        CHECK(result.says("pipe_reader::adopt 987654"));
    }
    SECTION("a writer") {
        try {
            (void)pipe_writer::adopt(-1);
        } catch (const std::system_error& error) {
            result.code = error.code();
            result.sentence = error.what();
        }
        CHECK(result.says("pipe_writer::adopt -1"));
    }
    CHECK(result.code == std::errc::bad_file_descriptor);
}

TEST_CASE("reading from the end for writing, and the other way round, is an error") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    aloft::pipe_ends ends = aloft::pipe();
    const pipe_writer writer = pipe_writer::adopt(ends.reader.release());
    const pipe_reader reader = pipe_reader::adopt(ends.writer.release());
    std::array<char, 8> buffer{};
    CHECK(ending_of(rt, [&] { return reader.read_some(std::span(buffer)); }).code ==
          std::errc::bad_file_descriptor);
    CHECK(ending_of(rt, [&] { return writer.write_some("x"); }).code ==
          std::errc::bad_file_descriptor);
}

TEST_CASE("a child's output is read until the child ends") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, writer.native_handle(), STDOUT_FILENO);
    std::string shell = "sh";
    std::string option = "-c";
    std::string script = "printf 'one '; printf two";
    const std::array<char*, 4> arguments{shell.data(), option.data(), script.data(), nullptr};
    pid_t child = 0;
    REQUIRE(::posix_spawnp(&child, "sh", &actions, nullptr, arguments.data(), environ) == 0);
    ::posix_spawn_file_actions_destroy(&actions);
    writer.close();
    CHECK(sync_wait(rt, read_text(reader)) == "one two");
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child);
}

TEST_CASE("a file can be read as if it were a pipe, as standard input may be one") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const std::string path = (directory / "file").string();
    std::ofstream(path) << "content";
    runtime rt(workers(1));
    const pipe_reader reader =
        pipe_reader::adopt(checked(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open"));
    CHECK(sync_wait(rt, read_text(reader)) == "content");
}

TEST_CASE("what gets the number of a descriptor that was given away is waited for like any other") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    std::array<char, 8> buffer{};
    for (int i = 0; i < 20; ++i) {
        auto [reader, writer] = aloft::pipe();
        auto waits = spawn(rt, reader.read_some(std::span(buffer)));
        sync_wait(rt, aloft::sleep_for(1ms)); // the backend knows the number now
        REQUIRE(sync_wait(rt, writer.write_some("x")) == 1);
        REQUIRE(sync_wait(rt, waits) == 1);
        const int given = reader.release();
        REQUIRE(::close(given) == 0);
    }
}

// ---- readiness ----

TEST_CASE("the readiness of a pipe can be waited for") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    const auto readable = [&r = reader] { return poll(r.native_handle(), poll_events::in); };
    const auto writable = [&w = writer] { return poll(w.native_handle(), poll_events::out); };
    CHECK(sync_wait(rt, writable()) == poll_events::out);
    auto waits = spawn(rt, readable());
    sync_wait(rt, aloft::sleep_for(1ms));
    fill(rt, writer);
    CHECK(sync_wait(rt, waits) == poll_events::in);
    auto has_room = spawn(rt, writable());
    sync_wait(rt, aloft::sleep_for(1ms));
    std::vector<char> all(pipe_capacity);
    CHECK(sync_wait(rt, reader.read_exact(std::span(all))) == pipe_capacity);
    CHECK(sync_wait(rt, has_room) == poll_events::out);
    auto ends = spawn(rt, readable());
    sync_wait(rt, aloft::sleep_for(1ms));
    writer.close();
    CHECK(any(sync_wait(rt, ends) & poll_events::hangup));
}

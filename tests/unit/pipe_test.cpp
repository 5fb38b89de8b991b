// SPDX-License-Identifier: MIT
// Pipes: transfers, their ends and errors, cancellation, early destruction, and the simulated ones.
#include <aloft/pipe.hpp>

#include "helpers/races.hpp"
#include "helpers/scale.hpp"

#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/pipes.hpp>
#include <support/wait_until.hpp>

#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::pipe_reader;
using aloft::pipe_writer;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using testing::fewer_calls;

namespace {

constexpr std::size_t rounds = 4'000; // scale.hpp: many more where all are asked for

/// Hands on what it reads until the end, and closes then.
task<void> relay(pipe_reader from, pipe_writer to) {
    std::array<std::byte, 1000> buffer{};
    for (;;) {
        const std::size_t got = co_await from.read_some(std::span(buffer));
        if (got == 0) {
            to.close();
            co_return;
        }
        const std::span<const std::byte> part = std::span(buffer).first(got);
        (void)co_await to.write_all(part);
    }
}

/// Begins it in a task that is stopped already.
template <class Make>
[[nodiscard]] ending ended_by_earlier_stop(runtime& rt, Make make) {
    aloft::stop_source source;
    source.request_stop();
    std::atomic<int> begun{0};
    ending result;
    sync_wait(rt, aloft::with_stop(source.get_token(), run_and_record(make, begun, result)));
    return result;
}

/// Stops it when the system has it.
template <class Make>
[[nodiscard]] ending ended_by_stop(runtime& rt, Make make) {
    aloft::stop_source source;
    std::atomic<int> begun{0};
    ending result;
    auto handle =
        spawn(rt, aloft::with_stop(source.get_token(), run_and_record(make, begun, result)));
    wait_until([&] { return begun.load() == 1; });
    sync_wait(rt, aloft::sleep_for(1ms));
    source.request_stop();
    sync_wait(rt, handle);
    return result;
}

} // namespace

// ---- transfers ----

TEST_CASE("what is written to a pipe is read from it, and then the end") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    runtime rt(workers(threads));
    auto [reader, writer] = aloft::pipe();
    CHECK(reader.is_open());
    CHECK(writer.is_open());
    CHECK(reader.native_handle() != writer.native_handle());
    CHECK(sync_wait(rt, writer.write_some("da")) == 2);
    const std::vector<char> characters{'t', 'a'};
    CHECK(sync_wait(rt, writer.write_all(characters)) == 2);
    CHECK(sync_wait(rt, writer.write_all(std::as_bytes(std::span("!", 1)))) == 1);
    writer.close();
    CHECK_FALSE(writer.is_open());
    std::array<char, 4> buffer{};
    CHECK(sync_wait(rt, reader.read_exact(std::span(buffer))) == 4);
    CHECK(std::string_view(buffer.data(), 4) == "data");
    CHECK(sync_wait(rt, reader.read_some(std::span(buffer))) == 1);
    CHECK(buffer[0] == '!');
    CHECK(sync_wait(rt, reader.read_some(std::span(buffer))) == 0);
    CHECK(sync_wait(rt, reader.read_some(std::span(buffer))) == 0);
}

TEST_CASE("megabytes go through a pipe unchanged, in blocks of any size") {
    const no_leaked_descriptors descriptors;
    const auto [written, read] =
        GENERATE(std::pair<std::size_t, std::size_t>{1'000'000, 7000}, std::pair{999, 100'000});
    constexpr std::uint64_t bytes = 3'000'000 / fewer_calls;
    runtime rt(workers(2));
    auto [reader, writer] = aloft::pipe();
    auto source = spawn(rt, write_pattern(std::move(writer), bytes, written));
    CHECK(sync_wait(rt, read_pattern(reader, read)) == bytes);
    sync_wait(rt, source);
}

TEST_CASE("chains of pipes, all in flight at once, lose and repeat nothing") {
    const no_leaked_descriptors descriptors;
    constexpr std::size_t chains = 16;
    constexpr std::size_t links = 8 / fewer_calls + 1;
    constexpr std::uint64_t bytes = 100'000 / fewer_calls;
    runtime rt(workers(2));
    std::vector<aloft::join_handle<void>> others;
    std::vector<pipe_reader> outlets;
    for (std::size_t chain = 0; chain < chains; ++chain) {
        auto [first, inlet] = aloft::pipe();
        pipe_reader last = std::move(first);
        for (std::size_t link = 0; link < links; ++link) {
            auto [from, to] = aloft::pipe();
            others.push_back(spawn(rt, relay(std::move(last), std::move(to))));
            last = std::move(from);
        }
        outlets.push_back(std::move(last));
        others.push_back(spawn(rt, write_pattern(std::move(inlet), bytes, 64 + 517 * chain)));
    }
    std::vector<aloft::join_handle<std::uint64_t>> counts;
    for (const pipe_reader& each : outlets) {
        counts.push_back(spawn(rt, read_pattern(each, 3000)));
    }
    const std::vector<std::uint64_t> got = sync_wait(rt, aloft::when_all(std::move(counts)));
    sync_wait(rt, aloft::when_all(std::move(others)));
    CHECK(std::count(got.begin(), got.end(), bytes) == chains);
}

TEST_CASE("empty buffers transfer nothing, and nobody takes them for the end") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(2));
    auto [reader, writer] = aloft::pipe();
    CHECK(sync_wait(rt, reader.read_some(std::span<char>())) == 0);
    CHECK(sync_wait(rt, reader.read_exact(std::span<char>())) == 0);
    std::array<char, 8> buffer{};
    auto waits = spawn(rt, reader.read_some(std::span(buffer)));
    sync_wait(rt, aloft::sleep_for(1ms));
    CHECK(sync_wait(rt, writer.write_some("")) == 0);
    CHECK(sync_wait(rt, writer.write_all("")) == 0);
    sync_wait(rt, aloft::sleep_for(1ms));
    CHECK(sync_wait(rt, writer.write_some("x")) == 1);
    CHECK(sync_wait(rt, waits) == 1);
    fill(rt, writer);
    CHECK(sync_wait(rt, writer.write_some("")) == 0);
}

TEST_CASE("a write of more than a pipe holds takes what there is room for, and does not wait") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    const std::string much(1 << 20, 'f');
    CHECK(sync_wait(rt, writer.write_some(much)) == pipe_capacity);
    writer.close();
    CHECK(sync_wait(rt, read_text(reader)) == std::string(pipe_capacity, 'f'));
}

TEST_CASE("an end that is moved goes on in its new place") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    aloft::pipe_ends first = aloft::pipe();
    aloft::pipe_ends second = aloft::pipe();
    const int kept = first.reader.native_handle();
    second.reader = std::move(first.reader);
    second.writer = std::move(first.writer);
    CHECK_FALSE(first.reader.is_open());
    CHECK_FALSE(first.writer.is_open());
    CHECK(second.reader.native_handle() == kept);
    CHECK(sync_wait(rt, second.writer.write_some("x")) == 1);
    std::array<char, 1> buffer{};
    CHECK(sync_wait(rt, second.reader.read_some(std::span(buffer))) == 1);
}

TEST_CASE("a descriptor that is given away stays open, and can be taken over again") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    CHECK(sync_wait(rt, writer.write_some("before ")) == 7);
    const int reading = reader.release();
    const int writing = writer.release();
    CHECK_FALSE(reader.is_open());
    CHECK_FALSE(writer.is_open());
    CHECK(reader.native_handle() == -1);
    pipe_reader same = pipe_reader::adopt(reading);
    pipe_writer other = pipe_writer::adopt(writing);
    CHECK(same.native_handle() == reading);
    CHECK(sync_wait(rt, other.write_all("and after")) == 9);
    other.close();
    CHECK(sync_wait(rt, read_text(same)) == "before and after");
}

// ---- ends and errors ----

TEST_CASE("a reader that waits is told of the end, and read_exact of how far it came") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    std::array<char, 8> buffer{};
    SECTION("read_some") {
        auto waits = spawn(rt, reader.read_some(std::span(buffer)));
        sync_wait(rt, aloft::sleep_for(1ms));
        writer.close();
        CHECK(sync_wait(rt, waits) == 0);
    }
    SECTION("read_exact") {
        CHECK(sync_wait(rt, writer.write_some("12345")) == 5);
        std::atomic<int> begun{0};
        ending result;
        auto waits = spawn(
            rt, run_and_record([&r = reader, &buffer] { return r.read_exact(std::span(buffer)); },
                               begun, result));
        sync_wait(rt, aloft::sleep_for(1ms));
        writer.close();
        sync_wait(rt, waits);
        CHECK(result.code == std::errc::message_size);
        CHECK(result.says("5 of 8"));
    }
}

TEST_CASE("writing to a pipe that nobody reads is a broken pipe") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    const auto write_some = [&w = writer] { return w.write_some("more"); };
    const auto write_all = [&w = writer] { return w.write_all("more"); };
    SECTION("the reader went before") {
        reader.close();
        const ending some = ending_of(rt, write_some);
        CHECK(some.code == std::errc::broken_pipe);
        CHECK(some.says("write to pipe"));
        CHECK(ending_of(rt, write_all).code == std::errc::broken_pipe);
    }
    SECTION("the reader goes while the writer waits") {
        fill(rt, writer);
        std::atomic<int> begun{0};
        ending result;
        auto waits = spawn(rt, run_and_record(write_all, begun, result));
        wait_until([&] { return begun.load() == 1; });
        sync_wait(rt, aloft::sleep_for(1ms));
        reader.close();
        sync_wait(rt, waits);
        CHECK(result.code == std::errc::broken_pipe);
        CHECK(result.says("write to pipe"));
    }
}

TEST_CASE("operations on an end that is not open are errors that name the operation") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    pipe_reader reader;
    pipe_writer writer;
    reader.close();
    CHECK_FALSE(reader.is_open());
    CHECK_FALSE(writer.is_open());
    std::array<char, 8> buffer{};
    const ending read = ending_of(rt, [&] { return reader.read_some(std::span(buffer)); });
    CHECK(read.code == std::errc::bad_file_descriptor);
    CHECK(read.says("read from pipe"));
    const ending write = ending_of(rt, [&] { return writer.write_all("x"); });
    CHECK(write.code == std::errc::bad_file_descriptor);
    CHECK(write.says("write to pipe"));
}

// ---- stops ----

TEST_CASE("what is stopped before it begins leaves the pipe as it was") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    std::array<char, 8> buffer{};
    const auto read_some = [&r = reader, &buffer] { return r.read_some(std::span(buffer)); };
    const auto read_exact = [&r = reader, &buffer] { return r.read_exact(std::span(buffer)); };
    const auto write_some = [&w = writer] { return w.write_some("never"); };
    const auto write_all = [&w = writer] { return w.write_all("never"); };
    CHECK(sync_wait(rt, writer.write_some("kept")) == 4);
    CHECK(ended_by_earlier_stop(rt, read_some).canceled());
    CHECK(ended_by_earlier_stop(rt, read_exact).canceled());
    CHECK(ended_by_earlier_stop(rt, write_some).canceled());
    CHECK(ended_by_earlier_stop(rt, write_all).canceled());
    writer.close();
    CHECK(sync_wait(rt, read_text(reader)) == "kept");
}

TEST_CASE("a read and a write that wait can be stopped, and the pipe goes on") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    runtime rt(workers(threads));
    auto [reader, writer] = aloft::pipe();
    std::array<char, 8> buffer{};
    const auto read_some = [&r = reader, &buffer] { return r.read_some(std::span(buffer)); };
    const auto read_exact = [&r = reader, &buffer] { return r.read_exact(std::span(buffer)); };
    const ending read = ended_by_stop(rt, read_some);
    CHECK(read.canceled());
    CHECK(read.says("read from pipe"));
    CHECK(ended_by_stop(rt, read_exact).canceled());
    fill(rt, writer);
    const auto write_some = [&w = writer] { return w.write_some("never"); };
    const auto write_all = [&w = writer] { return w.write_all("never"); };
    const ending write = ended_by_stop(rt, write_some);
    CHECK(write.canceled());
    CHECK(write.says("write to pipe"));
    CHECK(ended_by_stop(rt, write_all).canceled());
    writer.close();
    CHECK(sync_wait(rt, read_text(reader)) == std::string(pipe_capacity, 'f'));
}

TEST_CASE("a byte and a stop request race, and the byte is read once") {
    runtime others(workers(1));
    auto [reader, writer] = aloft::pipe();
    std::array<char, 4> buffer{};
    std::size_t read = 0;
    const auto read_one = [&r = reader, &buffer, &read]() -> task<> {
        read = 0;
        read = co_await r.read_some(std::span(buffer));
    };
    testing::races(
        "pipe: read against stop", rounds, read_one,
        [&w = writer, &others] { CHECK(sync_wait(others, w.write_some("x")) == 1); },
        [&](bool got) {
            if (!got) {
                sync_wait(others, read_one()); // it is still there
            }
            return read == 1;
        });
}

TEST_CASE("room and a stop request race, and what is written is told") {
    runtime others(workers(1));
    auto [reader, writer] = aloft::pipe();
    std::vector<char> all(pipe_capacity);
    fill(others, writer);
    const auto is_full_of_f = [&] {
        return std::count(all.begin(), all.end(), 'f') == static_cast<std::ptrdiff_t>(all.size());
    };
    testing::races(
        "pipe: write against stop", rounds / 4, [&w = writer] { return w.write_all("x"); },
        [&r = reader, &all, &others] {
            CHECK(sync_wait(others, r.read_exact(std::span(all))) == all.size());
        },
        [&, &r = reader, &w = writer](bool written) {
            std::array<char, 1> last{};
            const bool right =
                is_full_of_f() &&
                (!written ||
                 (sync_wait(others, r.read_exact(std::span(last))) == 1 && last[0] == 'x'));
            fill(others, w); // which would wait if more had been written than was told
            return right;
        });
}

TEST_CASE("a time limit ends a read and a write that wait") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    std::array<char, 8> buffer{};
    const ending read = ending_of(rt, [&r = reader, &buffer] {
        return aloft::with_timeout(2ms, r.read_some(std::span(buffer)));
    });
    CHECK(read.code == std::errc::timed_out);
    fill(rt, writer);
    const ending write =
        ending_of(rt, [&w = writer] { return aloft::with_timeout(2ms, w.write_all("never")); });
    CHECK(write.code == std::errc::timed_out);
    writer.close();
    CHECK(sync_wait(rt, read_text(reader)) == std::string(pipe_capacity, 'f'));
}

TEST_CASE("the runtime's end cancels a read and a write that wait, and they say which they were") {
    const no_leaked_descriptors descriptors;
    const std::size_t threads = GENERATE(1u, 2u);
    auto [reader, writer] = aloft::pipe();
    std::array<char, 8> buffer{};
    const auto read_some = [&r = reader, &buffer] { return r.read_some(std::span(buffer)); };
    const auto read_exact = [&r = reader, &buffer] { return r.read_exact(std::span(buffer)); };
    const ending read = ended_by_destruction(read_some, threads);
    CHECK(read.canceled());
    CHECK(read.says("read from pipe"));
    CHECK(ended_by_destruction(read_exact, threads).canceled());
    {
        runtime rt(workers(1));
        fill(rt, writer);
    }
    const auto write_some = [&w = writer] { return w.write_some("never"); };
    const auto write_all = [&w = writer] { return w.write_all("never"); };
    const ending write = ended_by_destruction(write_some, threads);
    CHECK(write.canceled());
    CHECK(write.says("write to pipe"));
    CHECK(ended_by_destruction(write_all, threads).canceled());
    CHECK(ended_by_refusal(read_some).canceled());
    CHECK(ended_by_refusal(read_exact).canceled());
    CHECK(ended_by_refusal(write_some).canceled());
    CHECK(ended_by_refusal(write_all).canceled());
}

// ---- early destruction ----

TEST_CASE("a frame that reads from a pipe and is destroyed leaves its buffer and the data alone") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    std::vector<char> buffer(64, '.');
    const auto read_some = [&r = reader, &buffer] { return r.read_some(std::span(buffer)); };
    const auto read_exact = [&r = reader, &buffer] { return r.read_exact(std::span(buffer)); };
    const std::vector<char> untouched = buffer;
    for (int i = 0; i < 50 / fewer_calls; ++i) {
        REQUIRE(destroyed_on_its_worker(rt, read_some));
        REQUIRE(destroyed_on_another_thread(rt, read_some));
        REQUIRE(destroyed_on_its_worker(rt, read_exact));
        REQUIRE(destroyed_on_another_thread(rt, read_exact));
        REQUIRE(sync_wait(rt, writer.write_some("data")) == 4);
        REQUIRE(buffer == untouched);
        std::array<char, 4> got{};
        REQUIRE(sync_wait(rt, reader.read_exact(std::span(got))) == 4);
        REQUIRE(std::string_view(got.data(), 4) == "data");
    }
    REQUIRE(destroyed_on_its_worker(rt, read_some, 2ms));
    REQUIRE(buffer == untouched);
}

TEST_CASE("a frame that writes to a pipe and is destroyed writes nothing more") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    fill(rt, writer);
    const auto write_some = [&w = writer] { return w.write_some("never"); };
    const auto write_all = [&w = writer] { return w.write_all("never"); };
    for (int i = 0; i < 50 / fewer_calls; ++i) {
        REQUIRE(destroyed_on_its_worker(rt, write_some));
        REQUIRE(destroyed_on_another_thread(rt, write_some));
        REQUIRE(destroyed_on_its_worker(rt, write_all));
        REQUIRE(destroyed_on_another_thread(rt, write_all));
    }
    REQUIRE(destroyed_on_its_worker(rt, write_all, 2ms));
    writer.close();
    CHECK(sync_wait(rt, read_text(reader)) == std::string(pipe_capacity, 'f'));
}

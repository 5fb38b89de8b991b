// SPDX-License-Identifier: MIT
// Pipes in simulated worlds: every byte arrives once and in order, under every seed that is tried.
#include <aloft/as_result.hpp>
#include <aloft/pipe.hpp>
#if !defined(_WIN32)
#include <aloft/poll.hpp>
#endif
#include <aloft/simulate.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>

#include "helpers/scale.hpp"

#include <support/pipes.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace aloft;
using namespace std::chrono_literals;
using test_support::read_pattern;
using test_support::read_text;
using test_support::write_pattern;

namespace {

/// Within a simulation, where Catch2's macros would count far too many assertions.
void expect(bool condition, const char* sentence) {
    if (!condition) {
        throw std::logic_error(sentence);
    }
}

template <class Main>
void holds(Main main, const simulation_options& options, std::uint64_t count = 2000) {
    const exploration found =
        explore(seeds{std::max<std::uint64_t>(testing::scaled(count), 50)}, options, main);
    INFO("seed " << found.seed() << ": " << found.what());
    CHECK(found.passed());
}

/// Reads until it is stopped or the end has come.
task<> read_some_of_it(const pipe_reader& reader, std::string& text, bool& ended) {
    std::array<char, 7> buffer{};
    for (;;) {
        const std::size_t got = co_await reader.read_some(std::span(buffer));
        if (got == 0) {
            ended = true;
            co_return;
        }
        text.append(buffer.data(), got);
    }
}

task<> after(std::chrono::microseconds delay, stop_source& source) {
    co_await sleep_for(delay);
    source.request_stop();
}

} // namespace

TEST_CASE("a simulated pipe carries every byte in order, in pieces of any size") {
    holds(
        []() -> task<> {
            auto [reader, writer] = pipe();
            auto [written, got] = co_await when_all(write_pattern(std::move(writer), 3000, 700),
                                                    read_pattern(reader, 90));
            expect(got == 3000, "bytes are missing, or not their own");
        },
        simulation_options{}.window_bytes(256).short_transfers(0.5));
}

TEST_CASE("a reader of a simulated pipe that is stopped at any moment has lost nothing") {
    std::set<bool> ways;
    for (const auto delay : {300us, 3000us, 100'000us}) {
        holds(
            [&ways, delay]() -> task<> {
                auto [reader, writer] = pipe();
                stop_source source;
                std::string text;
                bool ended = false;
                const std::string sent =
                    "what is read before a stop is kept, and the rest is still there";
                const auto write = [&w = writer, &sent]() -> task<> {
                    for (const char each : sent) {
                        (void)co_await w.write_all(std::string_view(&each, 1));
                    }
                    w.close();
                };
                const auto read = [&, &from = reader]() -> task<> {
                    (void)co_await as_result(
                        with_stop(source.get_token(), read_some_of_it(from, text, ended)));
                    ways.insert(ended);
                    text += co_await read_text(from);
                };
                co_await when_all(write(), read(), after(delay, source));
                expect(text == sent, "bytes are missing, or there twice");
            },
            simulation_options{}.window_bytes(5), 1000);
    }
    CHECK(ways.size() == 2);
}

TEST_CASE("a writer of a simulated pipe that is stopped says how much it has written") {
    holds(
        []() -> task<> {
            auto [reader, writer] = pipe();
            stop_source source;
            std::size_t told = 0;
            const auto write = [&w = writer, &told]() -> task<> {
                for (;;) {
                    told += co_await w.write_some("some");
                }
            };
            const auto stopped = [&, &to = writer]() -> task<> {
                const auto ended = co_await as_result(with_stop(source.get_token(), write()));
                expect(!ended && ended.error() == std::errc::operation_canceled, "not stopped");
                to.close();
            };
            auto [text, first, second] =
                co_await when_all(read_text(reader), stopped(), after(2ms, source));
            expect(text.size() == told, "what was told and what came differ");
        },
        simulation_options{}.window_bytes(10));
}

TEST_CASE("a simulated pipe that nobody reads is broken, also for a writer that waits") {
    holds(
        []() -> task<> {
            auto [reader, writer] = pipe();
            const std::string much(1000, 'x');
            const auto write = [&w = writer, &much]() -> task<> {
                const auto ended = co_await as_result(w.write_all(much));
                expect(!ended && ended.error() == std::errc::broken_pipe, "not broken");
            };
            const auto close = [&r = reader]() -> task<> {
                co_await sleep_for(1ms);
                r.close();
            };
            co_await when_all(write(), close());
            const auto later = co_await as_result(writer.write_some("x"));
            expect(!later && later.error() == std::errc::broken_pipe, "not broken any more");
            const std::size_t nothing = co_await writer.write_some("");
            expect(nothing == 0, "nothing cannot be written");
        },
        simulation_options{}.window_bytes(100));
}

TEST_CASE("a simulated pipe holds as much as the options say, and no more") {
    std::set<std::size_t> held;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        simulate(seed, simulation_options{}.window_bytes(100), [&held]() -> task<> {
            auto [reader, writer] = pipe();
            stop_source source;
            const std::string much(1000, 'x');
            const auto write = [&w = writer, &source, &much]() -> task<> {
                (void)co_await as_result(with_stop(source.get_token(), w.write_all(much)));
                w.close();
            };
            co_await when_all(write(), after(1s, source));
            const std::string text = co_await read_text(reader);
            held.insert(text.size());
        });
    }
    CHECK(held == std::set<std::size_t>{100});
}

TEST_CASE("the wrong end of a simulated pipe, and one that is closed, are errors") {
    simulate(1, {}, []() -> task<> {
        pipe_ends ends = pipe();
        const int reading = ends.reader.release();
        const int writing = ends.writer.release();
        const pipe_reader reader = pipe_reader::adopt(writing);
        const pipe_writer writer = pipe_writer::adopt(reading);
        std::array<char, 1> byte{};
        const auto read = co_await as_result(reader.read_some(std::span(byte)));
        const auto written = co_await as_result(writer.write_some("x"));
        const auto nowhere = co_await as_result(pipe_writer().write_some("x"));
        CHECK_FALSE(read.has_value());
        CHECK_FALSE(written.has_value());
        CHECK(nowhere.error() == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("a simulated pipe that outlives its world is gone and hits nobody") {
    pipe_ends left = simulate(1, {}, []() -> task<pipe_ends> { co_return pipe(); });
    CHECK(left.writer.is_open());
    CHECK_THROWS_AS(sync_wait(left.writer.write_some("x")), std::system_error);
    left.writer.close();
}

TEST_CASE("what happens to a simulated pipe is told in the trace, alike for the same seed") {
    const auto trace_of = [](std::uint64_t seed) {
        std::vector<std::string> lines;
        simulation_options options;
        options.on_trace([&](std::string_view line) { lines.emplace_back(line); });
        simulate(seed, options, []() -> task<> {
            auto [reader, writer] = pipe();
            co_await when_all(write_pattern(std::move(writer), 50, 20), read_pattern(reader, 7));
        });
        return lines;
    };
    const std::vector<std::string> first = trace_of(1);
    CHECK(first == trace_of(1));
    CHECK(first != trace_of(2));
    const auto has = [&](std::string_view part) {
        return std::any_of(first.begin(), first.end(), [&](const std::string& line) {
            return line.find(part) != std::string::npos;
        });
    };
    CHECK(has("pipe 0 is written to at 1"));
    CHECK(has(" write "));
    CHECK(has(" read "));
}

#if !defined(_WIN32) // where there is no poll()

TEST_CASE("the readiness of a simulated pipe is told") {
    holds(
        []() -> task<> {
            auto [reader, writer] = pipe();
            const int reading = reader.native_handle();
            const int writing = writer.native_handle();
            const auto room = co_await poll(writing, poll_events::out);
            expect(room == poll_events::out, "it has room");
            const auto empty = co_await as_result(poll(reading, poll_events::in, 1s));
            expect(!empty && empty.error() == std::errc::timed_out, "it is empty");
            (void)co_await writer.write_all("12345");
            const auto full = co_await as_result(poll(writing, poll_events::out, 1s));
            expect(!full && full.error() == std::errc::timed_out, "it is full");
            const auto there = co_await poll(reading, poll_events::in);
            expect(there == poll_events::in, "there is something to read");
            writer.close();
            const auto both = co_await poll(reading, poll_events::in);
            expect(both == (poll_events::in | poll_events::hangup), "the writer is gone");
        },
        simulation_options{}.window_bytes(5), 100);
}

#endif

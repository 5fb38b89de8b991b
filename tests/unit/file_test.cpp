// SPDX-License-Identifier: MIT
// Files: transfers, every reachable error, cancellation, and early destruction.
#include <aloft/file.hpp>

#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/temporary_directory.hpp>

#include <aloft/as_result.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/yield.hpp>

#include "helpers/file_content.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::file;
using aloft::open_mode;
using aloft::read_file;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;
using aloft::task;
using aloft::write_file;
using testing::content_of;
using testing::put;
using testing::random_text;

namespace {

task<void> read_block(const file& source, const std::string& whole, std::size_t block,
                      std::size_t number, std::atomic<int>& correct) {
    for (std::size_t round = 0; round < 20; ++round) {
        const std::size_t at = (number * 31 + round * 7) % (whole.size() / block) * block;
        std::string buffer(block, '\0');
        const std::size_t got = co_await source.read_at(at, buffer);
        correct += got == block && whole.compare(at, block, buffer) == 0 ? 1 : 0;
    }
}

task<void> write_block(const file& target, std::size_t block, std::size_t number) {
    const std::string text(block, static_cast<char>('a' + number % 26));
    std::size_t done = 0;
    while (done < block) {
        done +=
            co_await target.write_at(number * block + done, std::string_view(text).substr(done));
    }
}

} // namespace

TEST_CASE("what write_file writes is what read_file reads") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const std::filesystem::path path = directory / "file";
    const std::size_t size = GENERATE(0u, 1u, 4095u, 4096u, 4097u, 100'000u, 10'000'000u);
    const std::size_t threads = GENERATE(1u, 2u);
    const unsigned seed = std::random_device{}();
    INFO("size " << size << ", seed " << seed);
    runtime rt(workers(threads));
    const std::string text = random_text(size, seed);
    sync_wait(rt, write_file(path, text));
    CHECK(content_of(path) == text);
    CHECK(sync_wait(rt, read_file<std::string>(path)) == text);
    const std::vector<std::byte> bytes = sync_wait(rt, read_file(path));
    CHECK(std::ranges::equal(bytes, std::as_bytes(std::span(text))));
    sync_wait(rt, write_file(path, std::span<const std::byte>(bytes).first(size / 2)));
    CHECK(content_of(path) == text.substr(0, size / 2));
    const std::vector<char> letters(text.begin(), text.end());
    sync_wait(rt, write_file(path, letters));
    CHECK(content_of(path) == text);
}

TEST_CASE("reads and writes with an offset do not move the position") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    runtime rt(workers(1));
    file f =
        sync_wait(rt, file::open(directory / "file", open_mode::read_write | open_mode::create));
    CHECK(sync_wait(rt, f.write_all("0123456789")) == 10);
    CHECK(sync_wait(rt, f.write_at(3, "abc")) == 3);
    CHECK(sync_wait(rt, f.write_some("X")) == 1);
    std::array<char, 16> buffer{};
    CHECK(sync_wait(rt, f.read_at(0, std::span(buffer))) == 11);
    CHECK(std::string_view(buffer.data(), 11) == "012abc6789X");
    CHECK(sync_wait(rt, f.read_some(std::span(buffer))) == 0); // the position is at the end
    CHECK(sync_wait(rt, f.read_at(100, std::span(buffer))) == 0);
    CHECK(sync_wait(rt, f.size()) == 11);
    sync_wait(rt, f.sync());
    sync_wait(rt, f.sync_data());
    CHECK(f.is_open());
    sync_wait(rt, f.close());
    CHECK_FALSE(f.is_open());
}

TEST_CASE("the position moves through a file as it is read") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    put(directory / "file", "0123456789");
    runtime rt(workers(1));
    const file f = sync_wait(rt, file::open(directory / "file"));
    std::array<char, 4> buffer{};
    CHECK(sync_wait(rt, f.read_some(std::span(buffer))) == 4);
    CHECK(std::string_view(buffer.data(), 4) == "0123");
    CHECK(sync_wait(rt, f.read_exact(std::span(buffer))) == 4);
    CHECK(std::string_view(buffer.data(), 4) == "4567");
    const ending result = ending_of(rt, [&] { return f.read_exact(std::span(buffer)); });
    CHECK(result.code == std::errc::message_size);
    CHECK(result.says("2 of 4"));
    CHECK(sync_wait(rt, f.read_some(std::span(buffer))) == 0);
    CHECK(sync_wait(rt, f.read_some(std::span<char>())) == 0);
}

TEST_CASE("offsets beyond four gigabytes reach sparse files") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    runtime rt(workers(1));
    constexpr std::uint64_t far = (std::uint64_t{5} << 30) + 12345;
    const file f =
        sync_wait(rt, file::open(directory / "sparse", open_mode::read_write | open_mode::create));
    CHECK(sync_wait(rt, f.write_at(far, "far")) == 3);
    CHECK(sync_wait(rt, f.size()) == far + 3);
    std::array<char, 3> buffer{'x', 'x', 'x'};
    CHECK(sync_wait(rt, f.read_at(far, std::span(buffer))) == 3);
    CHECK(std::string_view(buffer.data(), 3) == "far");
    CHECK(sync_wait(rt, f.read_at(far - (std::uint64_t{1} << 32), std::span(buffer))) == 3);
    CHECK(buffer == std::array<char, 3>{});
}

TEST_CASE("the modes of opening do what they say") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const std::filesystem::path path = directory / "file";
    runtime rt(workers(1));
    put(path, "content");
    SECTION("append writes to the end, wherever the position is") {
        const file f = sync_wait(rt, file::open(path, open_mode::append));
        CHECK(sync_wait(rt, f.write_some("+1")) == 2);
        put(path, "other");
        CHECK(sync_wait(rt, f.write_some("+2")) == 2);
        CHECK(content_of(path) == "other+2");
    }
    SECTION("truncate empties") {
        const file f = sync_wait(rt, file::open(path, open_mode::write | open_mode::truncate));
        CHECK(sync_wait(rt, f.size()) == 0);
    }
    SECTION("write alone keeps the content") {
        const file f = sync_wait(rt, file::open(path, open_mode::write));
        CHECK(sync_wait(rt, f.write_some("C")) == 1);
        CHECK(content_of(path) == "Content");
    }
}

TEST_CASE("a hundred tasks read one file at once") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const std::string whole = random_text(1 << 20, 7);
    put(directory / "file", whole);
    runtime rt(workers(2));
    const file f = sync_wait(rt, file::open(directory / "file"));
    std::atomic<int> correct{0};
    std::vector<task<void>> readers;
    for (std::size_t i = 0; i < 100; ++i) {
        readers.push_back(read_block(f, whole, 4096, i, correct));
    }
    sync_wait(rt, aloft::when_all(std::move(readers)));
    CHECK(correct == 2000);
}

TEST_CASE("a hundred tasks write their blocks of one file at once") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    runtime rt(workers(2));
    file f = sync_wait(rt, file::open(directory / "file", open_mode::write | open_mode::create));
    std::vector<task<void>> writers;
    for (std::size_t i = 0; i < 100; ++i) {
        writers.push_back(write_block(f, 5000, i));
    }
    sync_wait(rt, aloft::when_all(std::move(writers)));
    sync_wait(rt, f.close());
    const std::string content = content_of(directory / "file");
    REQUIRE(content.size() == 500'000);
    for (std::size_t i = 0; i < content.size(); ++i) {
        REQUIRE(content[i] == static_cast<char>('a' + i / 5000 % 26));
    }
}

TEST_CASE("a task that reads from the page cache without end lets others have their turn") {
    const temporary_directory directory;
    put(directory / "file", "text");
    runtime rt(workers(1));
    std::atomic<bool> ended{false};
    std::size_t turns = 0;
    int whole = 0;
    const auto read = [&]() -> task<void> {
        const file source = co_await file::open(directory / "file");
        std::array<char, 4> buffer{};
        for (int i = 0; i < 10'000; ++i) {
            const std::size_t got = co_await source.read_at(0, buffer);
            whole += got == 4 ? 1 : 0;
        }
        ended = true;
    };
    const auto count = [&]() -> task<void> {
        while (!ended) {
            ++turns;
            co_await aloft::yield();
        }
    };
    sync_wait(rt, aloft::when_all(read(), count()));
    CHECK(whole == 10'000);
    CHECK(turns >= 100);
}

// ---- errors ----

TEST_CASE("operations on a file that is not open are errors that name the operation") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    file f;
    std::array<char, 8> buffer{};
    const auto failure = [](const ending& result, const char* operation) {
        CHECK(result.says(operation));
        return result.code;
    };
    const std::error_condition bad = std::errc::bad_file_descriptor;
    CHECK(failure(ending_of(rt, [&] { return f.read_at(0, std::span(buffer)); }), "read") == bad);
    CHECK(failure(ending_of(rt, [&] { return f.write_at(0, "x"); }), "write") == bad);
    CHECK(failure(ending_of(rt, [&] { return f.read_exact(std::span(buffer)); }), "read") == bad);
    CHECK(failure(ending_of(rt, [&] { return f.write_all("x"); }), "write") == bad);
    CHECK(failure(ending_of(rt, [&] { return f.sync(); }), "sync") == bad);
    CHECK(failure(ending_of(rt, [&] { return f.sync_data(); }), "sync") == bad);
    CHECK(failure(ending_of(rt, [&] { return f.size(); }), "size") == bad);
    CHECK(failure(ending_of(rt, [&] { return f.close(); }), "close") == bad);
}

// ---- the end of the runtime ----

TEST_CASE("file operations that begin after the stop are refused") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const std::filesystem::path path = directory / "file";
    put(path, "content");
    file f;
    {
        runtime rt(workers(1));
        f = sync_wait(rt, file::open(path, open_mode::read_write));
    }
    CHECK(ended_by_refusal([&] { return file::open(path); }).canceled());
    CHECK(ended_by_refusal([&] { return f.write_at(0, "x"); }).canceled());
    CHECK(ended_by_refusal([&] { return f.write_some("x"); }).canceled());
    CHECK(ended_by_refusal([&] { return f.write_all("x"); }).canceled());
    CHECK(ended_by_refusal([&] { return f.sync(); }).canceled());
    CHECK(ended_by_refusal([&] { return f.sync_data(); }).canceled());
    CHECK(ended_by_refusal([&] { return f.size(); }).canceled());
    CHECK(ended_by_refusal([&] { return read_file(path); }).canceled());
    CHECK(ended_by_refusal([&] { return write_file(path, "x"); }).canceled());
    CHECK(content_of(path) == "content");
    const int number = f.native_handle();
    CHECK(ended_by_refusal([&] { return f.close(); }).canceled());
    CHECK_FALSE(f.is_open());
    CHECK_FALSE(is_open_descriptor(number)); // refused, and closed all the same
    std::array<char, 8> buffer{};
    CHECK(ended_by_refusal([&] { return file::open(directory / "other"); }).canceled());
    const ending read = ended_by_refusal([&] { return f.read_some(std::span(buffer)); });
    CHECK(read.canceled());
}

// ---- early destruction ----

TEST_CASE("a file that an abandoned open has opened is closed") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    put(directory / "file", "content");
    runtime rt(workers(1));
    if (rt.backend().starts_with("iocp")) {
        SKIP("a helper thread may be done before the frame is destroyed, which is an error");
    }
    for (int i = 0; i < 20; ++i) {
        (void)destroyed_on_its_worker(rt, [&] { return file::open(directory / "file"); });
        (void)destroyed_on_its_worker(rt, [&] { return read_file(directory / "file"); });
    }
}

TEST_CASE("a frame that is destroyed during a short file operation leaves nothing behind") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    runtime rt(workers(1));
    if (!rt.backend().starts_with("io_uring")) {
        SKIP("a helper thread may be done before the frame is destroyed, which is an error");
    }
    file f =
        sync_wait(rt, file::open(directory / "file", open_mode::read_write | open_mode::create));
    for (int i = 0; i < 20; ++i) {
        (void)destroyed_on_its_worker(rt, [&] { return f.write_at(0, "text"); });
        (void)destroyed_on_its_worker(rt, [&] { return f.sync(); });
        (void)destroyed_on_its_worker(rt, [&] { return f.size(); });
        (void)destroyed_on_its_worker(rt, [&] { return write_file(directory / "other", "x"); });
    }
    CHECK(sync_wait(rt, f.size()) <= 4);
}

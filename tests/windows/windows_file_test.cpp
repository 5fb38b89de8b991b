// SPDX-License-Identifier: MIT
// Files on Windows: transfers, positions, modes, names that are no ASCII, errors.
#include <aloft/aloft.hpp>

#include <support/endings.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace test_support;
using aloft::file;
using aloft::open_mode;
using aloft::runtime;
using aloft::sync_wait;
using aloft::task;

namespace {

class folder {
public:
    folder() : path_(std::filesystem::temp_directory_path() / L"aloft-test-\u00e4\u03b1") {
        std::filesystem::remove_all(path_);
        std::filesystem::create_directories(path_);
    }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    ~folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::filesystem::path operator/(const char* name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

task<std::string> by_position(std::filesystem::path path) {
    file made = co_await file::open(path, open_mode::read | open_mode::write | open_mode::create);
    (void)co_await made.write_some(std::string_view("one "));
    file moved = std::move(made);
    (void)co_await moved.write_all(std::string_view("two "));
    (void)co_await moved.write_at(8, std::string_view("three"));
    co_await moved.sync();
    const std::uint64_t size = co_await moved.size();
    CHECK(size == 13);
    co_await moved.close();

    file again = co_await file::open(path, open_mode::read);
    std::string text(13, ' ');
    (void)co_await again.read_exact(std::span<char>(text));
    std::array<char, 4> end{};
    const std::size_t rest = co_await again.read_some(std::span<char>(end));
    CHECK(rest == 0);
    std::array<char, 3> middle{};
    (void)co_await again.read_at(4, std::span<char>(middle));
    CHECK(std::string(middle.data(), 3) == "two");
    co_return text;
}

task<void> append(std::filesystem::path path, std::string text) {
    file log = co_await file::open(path, open_mode::append | open_mode::create);
    (void)co_await log.write_all(text);
    co_await log.close();
}

} // namespace

TEST_CASE("a file reads and writes at its position and at offsets, by a path of any letters") {
    const folder here;
    runtime rt(workers(2));
    CHECK(sync_wait(rt, by_position(here / "positions")) == "one two three");
}

TEST_CASE("appending goes to the end, each time") {
    const folder here;
    runtime rt(workers(2));
    sync_wait(rt, append(here / "log", "first "));
    sync_wait(rt, append(here / "log", "second"));
    CHECK(sync_wait(rt, aloft::read_file<std::string>(here / "log")) == "first second");
}

TEST_CASE("a megabyte is written and read back, then replaced by less") {
    const folder here;
    runtime rt(workers(2));
    std::vector<std::byte> bytes(1 << 20);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(i * 7 % 253);
    }
    sync_wait(rt, aloft::write_file(here / "large", bytes));
    CHECK(sync_wait(rt, aloft::read_file(here / "large")) == bytes);
    sync_wait(rt, aloft::write_file(here / "large", std::string_view("small")));
    CHECK(sync_wait(rt, aloft::read_file<std::string>(here / "large")) == "small");
}

TEST_CASE("errors of files name the operation and equal the standard's conditions") {
    const folder here;
    runtime rt(workers(1));
    const ending missing = ending_of(rt, [&] { return file::open(here / "nobody"); });
    CHECK(missing.code == std::errc::no_such_file_or_directory);
    CHECK(missing.says("open "));
    sync_wait(rt, aloft::write_file(here / "there", std::string_view("x")));
    const ending twice = ending_of(rt, [&] {
        return file::open(here / "there",
                          open_mode::write | open_mode::create | open_mode::exclusive);
    });
    CHECK(twice.code == std::errc::file_exists);
    file only_read = sync_wait(rt, file::open(here / "there"));
    const ending denied =
        ending_of(rt, [&] { return only_read.write_some(std::string_view("y")); });
    CHECK(denied.code == std::errc::permission_denied);
}

TEST_CASE("files end as cancelled when they are begun while the runtime stops") {
    const folder here;
    CHECK(
        ended_by_refusal([&] { return file::open(here / "late", open_mode::create); }).canceled());
}

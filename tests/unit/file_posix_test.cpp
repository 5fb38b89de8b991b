// SPDX-License-Identifier: MIT
// Files as POSIX has them: named pipes, devices, permissions, the page cache, and its errors.
#include <aloft/file.hpp>

#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/fifo.hpp>
#include <support/temporary_directory.hpp>

#include <aloft/as_result.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/yield.hpp>

#include "helpers/file_content.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdarg>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
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
using testing::put;
using testing::random_text;

namespace {

std::atomic<int> reads_tried{0};

} // namespace

// Stands in for the C library's: counts what aloft tries before it goes to the ring.
#if ALOFT_ASAN || ALOFT_TSAN
extern "C" ssize_t preadv2(int fd, const iovec* parts, int count, off_t at, int flags) {
    ++reads_tried;
    return ::syscall(SYS_preadv2, fd, parts, count, at, 0, flags);
}
#else
extern "C" long syscall(long number, ...) {
    using function = long (*)(long, ...);
    constinit static std::atomic<function> real{nullptr};
    if (real.load() == nullptr) { // no static initialisation, which may call this
        real.store(reinterpret_cast<function>(::dlsym(RTLD_NEXT, "syscall")));
    }
    reads_tried += number == SYS_preadv2 ? 1 : 0;
    std::array<long, 6> arguments{};
    va_list given;
    va_start(given, number);
    for (long& each : arguments) { // nobody looks at those that were not given
        each = va_arg(given, long);
    }
    va_end(given);
    const auto& [a, b, c, d, e, f] = arguments;
    return real.load()(number, a, b, c, d, e, f);
}
#endif

namespace {

/// A named pipe with both ends open: reads wait, and writes when it is full.
class open_fifo {
public:
    explicit open_fifo(const std::filesystem::path& path)
        : both_(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)) {}
    void fill() const {
        const std::vector<char> block(4096, 'f');
        while (::write(both_.get(), block.data(), block.size()) > 0) {
        }
    }

private:
    aloft::detail::descriptor both_;
};

struct fifo_ends {
    file reader;
    file writer;
};

[[nodiscard]] fifo_ends open_both_ends(runtime& rt, const std::filesystem::path& fifo) {
    const open_fifo other_end(fifo); // so that neither open has to wait
    file reader = sync_wait(rt, file::open(fifo));
    return {std::move(reader), sync_wait(rt, file::open(fifo, open_mode::write))};
}

} // namespace

TEST_CASE("a file that does not know its size is read whole") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const std::string status = sync_wait(rt, read_file<std::string>("/proc/self/status"));
    CHECK(status.find("Name:") == 0);
    CHECK(status.find("nonvoluntary_ctxt_switches") != std::string::npos);
}

TEST_CASE("create makes a file with the permissions that the umask leaves") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    runtime rt(workers(1));
    const mode_t before = ::umask(027);
    const file f =
        sync_wait(rt, file::open(directory / "new", open_mode::write | open_mode::create));
    ::umask(before);
    struct stat status = {};
    REQUIRE(::stat((directory / "new").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0640);
}

TEST_CASE("descriptors are not inherited by other programs") {
    const temporary_directory directory;
    put(directory / "file", "content");
    runtime rt(workers(1));
    const file f = sync_wait(rt, file::open(directory / "file"));
    CHECK((::fcntl(f.native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("what is not in the page cache is read through the ring") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const std::string whole = random_text(1 << 20, 9);
    put(directory / "file", whole);
    runtime rt(workers(2));
    const file f = sync_wait(rt, file::open(directory / "file"));
    sync_wait(rt, f.sync());
    for (int round = 0; round < 20; ++round) {
        // Best effort: the reads must be right, wherever the data comes from.
        (void)::posix_fadvise(f.native_handle(), 0, 0, POSIX_FADV_DONTNEED);
        std::string got(whole.size(), '\0');
        std::size_t done = 0;
        while (done < got.size()) {
            const std::size_t part = sync_wait(rt, f.read_at(done, std::span(got).subspan(done)));
            REQUIRE(part > 0);
            done += part;
        }
        REQUIRE(got == whole);
    }
}

TEST_CASE("only reads through the page cache are tried before they go to the ring") {
    struct alignas(4096) block {
        std::array<std::byte, 4096> bytes;
    };
    runtime rt;
    const temporary_directory directory;
    const auto path = directory / "blocks";
    const std::string text = random_text(8 * sizeof(block), 5);
    put(path, text);
    const auto read_all = [&](open_mode mode) -> task<std::string> {
        const file source = co_await file::open(path, mode);
        const auto buffer = std::make_unique<block>();
        std::string content;
        while (const std::size_t got = co_await source.read_at(content.size(), buffer->bytes)) {
            content.append(reinterpret_cast<const char*>(buffer->bytes.data()), got);
        }
        co_return content;
    };
    reads_tried = 0;
    CHECK(sync_wait(rt, read_all(open_mode::read)) == text);
    CHECK(reads_tried == 9);
    reads_tried = 0;
    const auto direct = [&]() -> task<bool> {
        auto opening = file::open(path, open_mode::read | open_mode::direct);
        co_return (co_await aloft::as_result(std::move(opening))).has_value();
    };
    if (!sync_wait(rt, direct())) {
        SKIP("the file system of temporary files has a page cache only");
    }
    CHECK(sync_wait(rt, read_all(open_mode::read | open_mode::direct)) == text);
    CHECK(reads_tried == 0);
}

TEST_CASE("a cached read goes to the ring if others do, and soon; else it is tried at once") {
    const temporary_directory directory;
    put(directory / "file", "text");
    runtime rt(workers(1));
    const bool in_batches = rt.backend().starts_with("io_uring");
    bool other_ran = false;
    int reads = 0;
    int whole = 0;
    const auto read_beside = [&](const file& source, bool other, bool short_runs) -> task<int> {
        co_await aloft::yield(); // a run of its own
        other_ran = false;
        auto beside = spawn([&] { other_ran = true; });
        if (!other) {
            co_await beside;
        }
        aloft::detail::thread_local_worker->runs_are_short = short_runs;
        reads_tried = 0;
        std::array<char, 4> buffer{};
        const std::size_t got = co_await source.read_at(0, buffer);
        ++reads;
        whole += got == 4 ? 1 : 0;
        co_return reads_tried;
    };
    const auto check = [&]() -> task<> {
        const file source = co_await file::open(directory / "file");
        const int alone = co_await read_beside(source, false, true);
        CHECK(alone == 1);
        bool as_expected = false;
        // A worker that was kept from running meanwhile may have the answer before it runs the other one.
        for (int tries = 0; tries < 5 && !as_expected; ++tries) {
            const int beside_others = co_await read_beside(source, true, true);
            CHECK(beside_others == (in_batches ? 0 : 1));
            as_expected = other_ran == in_batches;
        }
        CHECK(as_expected);
        const int not_soon = co_await read_beside(source, true, false);
        CHECK(not_soon == 1);
        CHECK(!other_ran); // the first read of a run
        const int second = co_await read_beside(source, true, false);
        CHECK(second == 1);
    };
    sync_wait(rt, check());
    CHECK(whole == reads);
}

TEST_CASE("a named pipe is read and written as a file") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    runtime rt(workers(2));
    fifo_ends ends = open_both_ends(rt, make_fifo(directory, "fifo"));
    file& reader = ends.reader;
    file& writer = ends.writer;
    std::array<char, 8> buffer{};
    auto reading = spawn(rt, reader.read_some(std::span(buffer)));
    sync_wait(rt, aloft::sleep_for(1ms));
    CHECK(sync_wait(rt, writer.write_all("data")) == 4);
    CHECK(sync_wait(rt, reading) == 4);
    CHECK(std::string_view(buffer.data(), 4) == "data");
    sync_wait(rt, writer.close());
    CHECK(sync_wait(rt, reader.read_some(std::span(buffer))) == 0);
}

TEST_CASE("files that cannot be opened say why and which") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    put(directory / "file", "content");
    runtime rt(workers(1));
    const auto failure = [&](const std::filesystem::path& path, open_mode mode) {
        const ending result = ending_of(rt, [&] { return file::open(path, mode); });
        CHECK(result.says("open"));
        CHECK(result.says(path.string()));
        return result.code;
    };
    CHECK(failure(directory / "missing", open_mode::read) == std::errc::no_such_file_or_directory);
    CHECK(failure("", open_mode::read) == std::errc::no_such_file_or_directory);
    CHECK(failure(directory / "file/below", open_mode::read) == std::errc::not_a_directory);
    CHECK(failure(directory / "", open_mode::write) == std::errc::is_a_directory);
    CHECK(failure(directory / "file", open_mode::write | open_mode::create |
                                          open_mode::exclusive) == std::errc::file_exists);
    CHECK(failure(directory / std::string(300, 'n'), open_mode::read) ==
          std::errc::filename_too_long);
    std::filesystem::create_symlink("loop", directory / "loop");
    CHECK(failure(directory / "loop", open_mode::read) == std::errc::too_many_symbolic_link_levels);
    CHECK(ending_of(rt, [&] { return read_file(directory / "missing"); }).says("missing"));
    CHECK(ending_of(rt, [&] { return write_file(directory / "no/such", "x"); }).code ==
          std::errc::no_such_file_or_directory);
}

TEST_CASE("reading a directory is an error that names the operation") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const file f = sync_wait(rt, file::open("/"));
    std::array<char, 8> buffer{};
    const ending result = ending_of(rt, [&] { return f.read_some(std::span(buffer)); });
    CHECK(result.code == std::errc::is_a_directory);
    CHECK(result.says("read"));
    CHECK(result.says(std::to_string(f.native_handle())));
    CHECK(ending_of(rt, [] { return read_file("/"); }).code == std::errc::is_a_directory);
}

TEST_CASE("reading what was opened for writing, and the other way round, is an error") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    put(directory / "file", "content");
    runtime rt(workers(1));
    const file reader = sync_wait(rt, file::open(directory / "file"));
    const file writer = sync_wait(rt, file::open(directory / "file", open_mode::write));
    std::array<char, 8> buffer{};
    CHECK(ending_of(rt, [&] { return reader.write_some("x"); }).code ==
          std::errc::bad_file_descriptor);
    CHECK(ending_of(rt, [&] { return writer.read_some(std::span(buffer)); }).code ==
          std::errc::bad_file_descriptor);
}

TEST_CASE("closing a descriptor that somebody else has closed is an error, once") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    file f = sync_wait(rt, file::open("/dev/null"));
    ::close(f.native_handle());
    const ending result = ending_of(rt, [&] { return f.close(); });
    CHECK(result.code == std::errc::bad_file_descriptor);
    CHECK_FALSE(f.is_open());
}

TEST_CASE("syncing what cannot be synced is an error") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const std::filesystem::path fifo = make_fifo(directory, "fifo");
    const open_fifo other_end(fifo);
    runtime rt(workers(1));
    const file f = sync_wait(rt, file::open(fifo, open_mode::read_write));
    const ending result = ending_of(rt, [&] { return f.sync(); });
    CHECK(result.code == std::errc::invalid_argument);
    CHECK(result.says("sync"));
}

TEST_CASE("a full disk is an error") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    const file f = sync_wait(rt, file::open("/dev/full", open_mode::write));
    const ending result = ending_of(rt, [&] { return f.write_some("x"); });
    CHECK(result.code == std::errc::no_space_on_device);
    CHECK(result.says("write"));
    CHECK(ending_of(rt, [&] { return f.write_all("x"); }).code == std::errc::no_space_on_device);
    CHECK(ending_of(rt, [&] { return f.write_at(10, "x"); }).code == std::errc::no_space_on_device);
    CHECK(ending_of(rt, [] { return write_file("/dev/full", "x"); }).code ==
          std::errc::no_space_on_device);
    std::array<char, 8> buffer{'x'};
    const file zero = sync_wait(rt, file::open("/dev/full"));
    CHECK(sync_wait(rt, zero.read_some(std::span(buffer))) == 8);
}

TEST_CASE("writing to a pipe that nobody reads is an error and no signal") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    runtime rt(workers(2));
    fifo_ends ends = open_both_ends(rt, make_fifo(directory, "fifo"));
    file& reader = ends.reader;
    file& writer = ends.writer;
    sync_wait(rt, reader.close());
    const ending result = ending_of(rt, [&] { return writer.write_some("x"); });
    CHECK(result.code == std::errc::broken_pipe);
    CHECK(result.says("write"));
}

TEST_CASE("file operations in flight are cancelled by the runtime's destruction") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const std::filesystem::path fifo = make_fifo(directory, "fifo");
    const std::size_t threads = GENERATE(1u, 2u);
    std::array<char, 8> buffer{};
    SECTION("read_some") {
        const open_fifo other_end(fifo);
        file f;
        {
            runtime rt(workers(1));
            f = sync_wait(rt, file::open(fifo));
        }
        const ending result =
            ended_by_destruction([&] { return f.read_some(std::span(buffer)); }, threads);
        CHECK(result.canceled());
        CHECK(result.says("read"));
        const ending exact =
            ended_by_destruction([&] { return f.read_exact(std::span(buffer)); }, threads);
        CHECK(exact.canceled());
    }
    SECTION("write_some") {
        const open_fifo other_end(fifo);
        file f;
        {
            runtime rt(workers(1));
            f = sync_wait(rt, file::open(fifo, open_mode::write));
        }
        other_end.fill();
        const ending result = ended_by_destruction([&] { return f.write_some("x"); }, threads);
        CHECK(result.canceled());
        CHECK(result.says("write"));
        CHECK(ended_by_destruction([&] { return f.write_all("x"); }, threads).canceled());
    }
}

TEST_CASE("a frame that waits in a named pipe can be destroyed") {
    const no_leaked_descriptors descriptors;
    const temporary_directory directory;
    const std::filesystem::path fifo = make_fifo(directory, "fifo");
    runtime rt(workers(1));
    SECTION("reading") {
        const open_fifo other_end(fifo);
        const file f = sync_wait(rt, file::open(fifo, open_mode::read_write));
        std::vector<char> buffer(16, '.');
        const std::vector<char> untouched = buffer;
        const auto read = [&] { return f.read_some(std::span(buffer)); };
        for (int i = 0; i < 50; ++i) {
            REQUIRE(destroyed_on_its_worker(rt, read));
            REQUIRE(destroyed_on_another_thread(rt, read));
            REQUIRE(sync_wait(rt, f.write_some("data")) == 4);
            REQUIRE(buffer == untouched);
            std::array<char, 4> got{};
            REQUIRE(sync_wait(rt, f.read_exact(std::span(got))) == 4);
        }
        REQUIRE(destroyed_on_its_worker(rt, read, 2ms));
    }
    SECTION("writing") {
        const open_fifo other_end(fifo);
        const file f = sync_wait(rt, file::open(fifo, open_mode::write));
        other_end.fill();
        const auto write = [&] { return f.write_some("x"); };
        for (int i = 0; i < 50; ++i) {
            REQUIRE(destroyed_on_its_worker(rt, write));
            REQUIRE(destroyed_on_another_thread(rt, write));
        }
        REQUIRE(destroyed_on_its_worker(rt, write, 2ms));
    }
}

TEST_CASE("an abandoned close closes its descriptor exactly once") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    if (rt.backend().starts_with("epoll")) {
        SKIP("a helper thread may be done before the frame is destroyed, which is an error");
    }
    std::atomic<int> number{-1};
    std::atomic<bool> done{false};
    std::atomic<int> stolen{0};
    // Takes the number as soon as it is free, and looks whether somebody closes it once more.
    std::thread taker([&] {
        while (!done.load()) {
            const int wanted = number.load();
            const int mine = ::dup(STDERR_FILENO);
            if (mine == wanted) {
                for (int i = 0; i < 50; ++i) {
                    if (::fcntl(mine, F_GETFD) < 0) {
                        ++stolen;
                        break;
                    }
                }
            }
            (void)::close(mine);
        }
    });
    for (int i = 0; i < 3000; ++i) {
        file f = sync_wait(rt, file::open("/dev/null"));
        number = f.native_handle();
        (void)destroyed_on_its_worker(rt, [&] { return f.close(); });
        REQUIRE_FALSE(f.is_open());
        number = -1;
    }
    done = true;
    taker.join();
    CHECK(stolen == 0);
}

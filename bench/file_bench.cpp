// SPDX-License-Identifier: MIT
// Random reads of 4 KiB from a file that is in the page cache.
#include "suites.hpp"
#include "support/comparison.hpp"
#include "support/descriptor.hpp"
#include "support/pool.hpp"
#include "support/ring.hpp"

#include <aloft/file.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <benchmark/benchmark.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t block_size = 4096;
constexpr std::uint64_t block_count = 16384; // 64 MiB
constexpr std::uint64_t depth = 32;
constexpr std::uint64_t reads_per_task = 32;

using block = std::array<std::byte, block_size>;

/// A file whose blocks begin with their numbers; goes with the program.
class numbered_file {
public:
    numbered_file() {
        std::string name = (std::filesystem::temp_directory_path() / "aloft_bench_XXXXXX").string();
        fd_ = descriptor(check(::mkstemp(name.data()), "mkstemp"));
        path_ = name;
        block content{};
        for (std::uint64_t number = 0; number < block_count; ++number) {
            std::memcpy(content.data(), &number, sizeof number);
            const ssize_t written = ::pwrite(fd_.get(), content.data(), content.size(),
                                             static_cast<off_t>(number * block_size));
            if (written != static_cast<ssize_t>(block_size)) {
                std::filesystem::remove(path_);
                throw_errno("pwrite", written < 0 ? errno : ENOSPC);
            }
        }
    }
    numbered_file(const numbered_file&) = delete;
    numbered_file& operator=(const numbered_file&) = delete;
    ~numbered_file() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

    static const numbered_file& instance() {
        static const numbered_file file;
        return file;
    }

private:
    descriptor fd_;
    std::filesystem::path path_;
};

/// Block numbers in an order that no read-ahead foresees; the same for all.
class block_sequence {
public:
    explicit block_sequence(std::uint64_t seed) noexcept : state_(seed * 2 + 1) {}
    [[nodiscard]] std::uint64_t next() noexcept {
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        return (state_ >> 33) % block_count;
    }

private:
    std::uint64_t state_;
};

[[nodiscard]] bool holds(const block& content, std::uint64_t number, std::int64_t size) noexcept {
    std::uint64_t found = 0;
    std::memcpy(&found, content.data(), sizeof found);
    return size == static_cast<std::int64_t>(block_size) && found == number;
}

void report(benchmark::State& state, bool right, std::uint64_t reads_per_iteration) {
    verify(state, right, "a read gave something else than the block");
    const std::int64_t reads = state.iterations() * static_cast<std::int64_t>(reads_per_iteration);
    report_items(state, reads);
    state.SetBytesProcessed(reads * static_cast<std::int64_t>(block_size));
}

// ---- aloft -----------------------------------------------------------------------------------

aloft::task<> read_one_by_one(benchmark::State& state) {
    const aloft::file file = co_await aloft::file::open(numbered_file::instance().path());
    block_sequence blocks(0);
    block content;
    bool right = true;
    for (auto _ : state) {
        const std::uint64_t number = blocks.next();
        const std::size_t size = co_await file.read_at(number * block_size, content);
        right = holds(content, number, static_cast<std::int64_t>(size)) && right;
    }
    report(state, right, 1);
}

void aloft_alone(benchmark::State& state) {
    aloft::sync_wait(pool(), read_one_by_one(state));
}

aloft::task<bool> read_some_blocks(const aloft::file& file, std::uint64_t seed) {
    block_sequence blocks(seed);
    block content;
    bool right = true;
    for (std::uint64_t i = 0; i < reads_per_task; ++i) {
        const std::uint64_t number = blocks.next();
        const std::size_t size = co_await file.read_at(number * block_size, content);
        right = holds(content, number, static_cast<std::int64_t>(size)) && right;
    }
    co_return right;
}

aloft::task<> read_together(benchmark::State& state) {
    const aloft::file file = co_await aloft::file::open(numbered_file::instance().path());
    std::uint64_t seed = 0;
    bool right = true;
    for (auto _ : state) {
        std::vector<aloft::task<bool>> readers;
        readers.reserve(depth);
        for (std::uint64_t i = 0; i < depth; ++i) {
            readers.push_back(read_some_blocks(file, seed++));
        }
        for (const bool each : co_await aloft::when_all(std::move(readers))) {
            right = each && right;
        }
    }
    report(state, right, depth * reads_per_task);
}

void aloft_together(benchmark::State& state) {
    aloft::sync_wait(pool(), read_together(state));
}

// ---- the alternatives ------------------------------------------------------------------------

void with_pread(benchmark::State& state) {
    const int fd = numbered_file::instance().fd();
    block_sequence blocks(0);
    block content;
    bool right = true;
    for (auto _ : state) {
        const std::uint64_t number = blocks.next();
        const ssize_t size =
            ::pread(fd, content.data(), content.size(), static_cast<off_t>(number * block_size));
        right = holds(content, number, size) && right;
    }
    report(state, right, 1);
}

/// As many reads in flight as `in_flight`, handed over and waited for together.
void with_ring(benchmark::State& state, unsigned in_flight) {
    const int fd = numbered_file::instance().fd();
    ring io(in_flight);
    std::vector<block> contents(in_flight);
    std::vector<std::uint64_t> numbers(in_flight);
    block_sequence blocks(0);
    bool right = true;
    for (auto _ : state) {
        for (unsigned i = 0; i < in_flight; ++i) {
            numbers[i] = blocks.next();
            io_uring_sqe* const entry = io.next_entry();
            ::io_uring_prep_read(entry, fd, contents[i].data(), block_size,
                                 numbers[i] * block_size);
            ::io_uring_sqe_set_data64(entry, i);
        }
        io.submit_and_wait(in_flight);
        unsigned seen = 0;
        io.for_each_completion([&](const io_uring_cqe& completion) {
            ++seen;
            right = holds(contents[completion.user_data], numbers[completion.user_data],
                          completion.res) &&
                    right;
        });
        right = seen == in_flight && right;
    }
    report(state, right, in_flight);
}

void add(const std::string& name, const std::string& work, const body& aloft_body,
         unsigned in_flight) {
    comparison rows(name, work);
    rows.with_aloft(aloft_body).against("pread", "`pread`, one thread", &with_pread);
    if (ring::available()) {
        rows.against("liburing", "liburing by hand, one thread",
                     [in_flight](benchmark::State& state) { with_ring(state, in_flight); });
    }
}

} // namespace

void add_file_suite() {
    add("file_read/1", "4 KiB random read, cached, 1 in flight", &aloft_alone, 1);
    add("file_read/32", "4 KiB random read, cached, 32 in flight, each", &aloft_together, depth);
}

} // namespace bench

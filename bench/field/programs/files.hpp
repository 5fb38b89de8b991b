// SPDX-License-Identifier: MIT
// What the programs that read files share: the file, random places in it, and the figures.
// Arguments: <path> <reads> <reads at the same time> <1: past the page cache>
#pragma once

#include "measure.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace field {

inline constexpr std::size_t block_size = 4096;
inline constexpr std::uint64_t file_blocks = 16'384;

/// Aligned, as reads past the page cache want it.
struct alignas(block_size) block {
    std::array<char, block_size> bytes;
};

/// What to read; each block of the file begins with its number.
class file_work {
public:
    file_work(int argc, char** argv)
        : path_(argc > 1 ? argv[1] : "field_files.data"),
          reads_(argument(argc, argv, 2, 10'000)),
          depth_(argument(argc, argv, 3, 1)),
          direct_(argument(argc, argv, 4, 0) != 0) {
        struct stat status{};
        if (::stat(path_.c_str(), &status) != 0 ||
            status.st_size != static_cast<off_t>(file_blocks * block_size)) {
            write_file();
        }
        const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
        block content;
        while (::read(fd, content.bytes.data(), block_size) > 0) { // now it is in the page cache
        }
        must_be(::fstat(fd, &status) == 0, "fstat");
        ::close(fd);
        device_ = "/sys/dev/block/" + std::to_string(major(status.st_dev)) + ":" +
                  std::to_string(minor(status.st_dev)) + "/stat";
    }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::size_t depth() const { return depth_; }
    [[nodiscard]] bool direct() const { return direct_; }

    /// Makes an open file's reads go past the page cache, if that is wanted.
    void prepare(int fd) const {
        if (direct_) {
            must_be(::fcntl(fd, F_SETFL, O_DIRECT) == 0, "O_DIRECT is refused by the file system");
        }
    }

    [[nodiscard]] int open() const {
        const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
        must_be(fd >= 0, "open");
        prepare(fd);
        return fd;
    }

    /// The next one for the reader with that number; it has to do reads_of() of them.
    [[nodiscard]] std::size_t reads_of(std::size_t reader) const {
        return reads_ / depth_ + (reader < reads_ % depth_ ? 1 : 0);
    }

    void begin() {
        queued_ = queued();
        used_ = processor_seconds();
        began_ = seconds_now();
    }
    void end() const {
        const double took = seconds_now() - began_;
        const auto reads = static_cast<double>(reads_);
        report("cpu_us", (processor_seconds() - used_) * 1e6 / reads);
        report("reads_per_s", reads / took);
        if (direct_) {
            report("device_depth", (queued() - queued_) * 1e-3 / took);
        }
    }

private:
    void write_file() const {
        const int fd = ::open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
        must_be(fd >= 0, "create the file");
        block content{};
        for (std::uint64_t i = 0; i < file_blocks; ++i) {
            std::memcpy(content.bytes.data(), &i, sizeof i);
            must_be(::write(fd, content.bytes.data(), block_size) == block_size, "write the file");
        }
        must_be(::fsync(fd) == 0, "fsync");
        ::close(fd);
    }

    /// Milliseconds that requests have spent at the device, each counted.
    [[nodiscard]] double queued() const {
        std::ifstream file(device_);
        double value = 0;
        for (int i = 0; i < 11; ++i) {
            file >> value;
        }
        return file ? value : 0;
    }

    std::string path_;
    std::size_t reads_;
    std::size_t depth_;
    bool direct_;
    std::string device_;
    double queued_ = 0;
    double used_ = 0;
    double began_ = 0;
};

/// One of the readers: where it reads next, into what, and whether that was right.
class reader {
public:
    explicit reader(std::size_t number)
        : state_(0x9E3779B97F4A7C15U * (number + 1)), block_(std::make_unique<block>()) {}

    [[nodiscard]] std::uint64_t next_offset() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        wanted_ = state_ % file_blocks;
        return wanted_ * block_size;
    }
    [[nodiscard]] char* data() { return block_->bytes.data(); }

    void check(std::int64_t size) const {
        std::uint64_t found = 0;
        std::memcpy(&found, block_->bytes.data(), sizeof found);
        must_be(size == static_cast<std::int64_t>(block_size) && found == wanted_, "a read");
    }

private:
    std::uint64_t state_;
    std::uint64_t wanted_ = 0;
    std::unique_ptr<block> block_;
};

inline std::vector<reader> readers_of(const file_work& work) {
    std::vector<reader> readers;
    for (std::size_t i = 0; i < work.depth(); ++i) {
        readers.emplace_back(i);
    }
    return readers;
}

} // namespace field

// SPDX-License-Identifier: MIT
// files_pread: the reads of files_aloft with pread, by as many threads as there are to be reads at
// the same time.
#include "files.hpp"

#include <cstddef>
#include <thread>
#include <vector>

namespace {

void reads(int fd, field::reader& one, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        one.check(
            ::pread(fd, one.data(), field::block_size, static_cast<off_t>(one.next_offset())));
    }
}

} // namespace

int main(int argc, char** argv) {
    field::file_work work(argc, argv);
    const int fd = work.open();
    std::vector<field::reader> readers = field::readers_of(work);
    std::vector<std::thread> threads;
    work.begin();
    for (std::size_t i = 1; i < readers.size(); ++i) {
        threads.emplace_back([&, i] { reads(fd, readers[i], work.reads_of(i)); });
    }
    reads(fd, readers[0], work.reads_of(0));
    for (std::thread& each : threads) {
        each.join();
    }
    work.end();
}

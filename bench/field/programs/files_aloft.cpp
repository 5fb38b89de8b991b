// SPDX-License-Identifier: MIT
// files_aloft: random reads of 4 KiB, one thread; files.hpp says what the arguments are.
#include "files.hpp"

#include <aloft/aloft.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace {

aloft::task<> reads(const aloft::file& file, field::reader& one, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const std::span<char> buffer(one.data(), field::block_size);
        const std::size_t size = co_await file.read_at(one.next_offset(), buffer);
        one.check(static_cast<std::int64_t>(size));
    }
}

aloft::task<> run(field::file_work& work) {
    aloft::open_mode mode = aloft::open_mode::read;
    if (work.direct()) {
        mode = mode | aloft::open_mode::direct;
    }
    const aloft::file file = co_await aloft::file::open(work.path(), mode);
    work.prepare(file.native_handle());
    std::vector<field::reader> readers = field::readers_of(work);
    std::vector<aloft::task<>> tasks;
    for (std::size_t i = 0; i < readers.size(); ++i) {
        tasks.push_back(reads(file, readers[i], work.reads_of(i)));
    }
    work.begin();
    co_await aloft::when_all(std::move(tasks));
    work.end();
}

} // namespace

int main(int argc, char** argv) {
    field::file_work work(argc, argv);
    aloft::runtime rt(aloft::runtime_options{}.threads(1));
    aloft::sync_wait(rt, run(work));
}

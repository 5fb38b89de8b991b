// SPDX-License-Identifier: MIT
// files_asio: the reads of files_aloft with Boost.Asio's coroutines, which need io_uring for files.
#include "files.hpp"

#include <boost/asio.hpp>

#include <cstddef>
#include <vector>

namespace asio = boost::asio;

namespace {

// A file of its own for each: Asio runs the reads of one file one after the other.
asio::awaitable<void> reads(const field::file_work& work, field::reader& one, std::size_t count) {
    asio::random_access_file file(co_await asio::this_coro::executor, work.path(),
                                  asio::file_base::read_only);
    work.prepare(file.native_handle());
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t size = co_await file.async_read_some_at(
            one.next_offset(), asio::buffer(one.data(), field::block_size), asio::use_awaitable);
        one.check(static_cast<std::int64_t>(size));
    }
}

} // namespace

int main(int argc, char** argv) {
    field::file_work work(argc, argv);
    asio::io_context context(1);
    std::vector<field::reader> readers = field::readers_of(work);
    for (std::size_t i = 0; i < readers.size(); ++i) {
        asio::co_spawn(context, reads(work, readers[i], work.reads_of(i)), asio::detached);
    }
    work.begin();
    context.run();
    work.end();
}

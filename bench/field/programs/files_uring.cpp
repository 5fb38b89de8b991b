// SPDX-License-Identifier: MIT
// files_uring: the reads of files_aloft with one io_uring, used directly.
#include "files.hpp"

#include <liburing.h>

#include <cstddef>
#include <vector>

int main(int argc, char** argv) {
    field::file_work work(argc, argv);
    const int fd = work.open();
    io_uring ring{};
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    field::must_be(io_uring_queue_init_params(256, &ring, &params) == 0, "io_uring_setup");
    std::vector<field::reader> readers = field::readers_of(work);
    std::vector<std::size_t> left;
    std::size_t all_left = 0;
    const auto read_next = [&](std::size_t i) {
        if (left[i] == 0) {
            return;
        }
        --left[i];
        io_uring_sqe* const entry = io_uring_get_sqe(&ring);
        io_uring_prep_read(entry, fd, readers[i].data(), field::block_size,
                           readers[i].next_offset());
        io_uring_sqe_set_data64(entry, i);
    };
    work.begin();
    for (std::size_t i = 0; i < readers.size(); ++i) {
        left.push_back(work.reads_of(i));
        all_left += left.back();
        read_next(i);
    }
    while (all_left > 0) {
        const int answer = io_uring_submit_and_wait(&ring, 1);
        field::must_be(answer >= 0 || answer == -EINTR, "io_uring_enter");
        unsigned head = 0;
        unsigned count = 0;
        io_uring_cqe* completion = nullptr;
        io_uring_for_each_cqe(&ring, head, completion) {
            ++count;
            const std::size_t i = io_uring_cqe_get_data64(completion);
            readers[i].check(completion->res);
            read_next(i);
        }
        io_uring_cq_advance(&ring, count);
        all_left -= count;
    }
    work.end();
    io_uring_queue_exit(&ring);
}

// SPDX-License-Identifier: MIT
// Operations that tests hand to a reactor directly, and descriptors for them.
#pragma once

#include <support/sockets.hpp>
#include <support/wait_until.hpp>

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/reactor/operation.hpp>
#include <aloft/detail/reactor/reactor.hpp>
#include <aloft/detail/surface/descriptor.hpp>

#include <catch2/catch_test_macros.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

namespace test_support {

using aloft::detail::descriptor;
using aloft::detail::no_deadline;
using aloft::detail::now_ns;
using aloft::detail::operation;
using aloft::detail::operation_kind;
using aloft::detail::operation_phase;
using aloft::detail::time_limit;
using aloft::detail::work_list;
using aloft::detail::work_node;

/// Spins for a random while, so that two threads meet at every distance.
inline void spin(unsigned rounds) {
    while (rounds-- > 0) {
        aloft::detail::spin_pause();
    }
}

struct pipe_ends {
    pipe_ends() {
        std::array<int, 2> ends{};
        (void)checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
        read = descriptor(ends[0]);
        write = descriptor(ends[1]);
    }
    void put() const { (void)!::write(write.get(), "x", 1); }
    [[nodiscard]] bool take_left_over() const {
        pollfd waiting{read.get(), POLLIN, 0};
        if (::poll(&waiting, 1, 0) <= 0) {
            return false;
        }
        char byte = 0;
        return ::read(read.get(), &byte, 1) == 1;
    }
    descriptor read;
    descriptor write;
};

/// How often it has come back. It may be cancelled.
struct operation_with_count : operation {
    operation_with_count() { stoppable = true; }
    int finishes = 0;
};

/// One byte of room that an operation reads into.
struct reading : operation_with_count {
    void prepare(int from) {
        kind = operation_kind::read;
        fd = from;
        address = &byte;
        length = 1;
        offset = aloft::detail::current_position;
        limit = nullptr;
        timed_out = false;
        result = 0;
    }
    char byte = 0;
};

struct polling : operation_with_count {
    void prepare(int on, const time_limit* most = nullptr) {
        kind = operation_kind::poll;
        fd = on;
        flags = POLLIN;
        limit = most;
        timed_out = false;
        result = 0;
    }
};

template <class Operation>
std::size_t count_finished(work_list& finished) {
    std::size_t count = 0;
    while (work_node* const node = finished.pop()) {
        auto& op = static_cast<Operation&>(static_cast<operation&>(*node));
        REQUIRE(op.phase.load() == operation_phase::finished);
        ++op.finishes;
        ++count;
    }
    return count;
}

/// Polls until nothing is in flight; what is parked must have been cancelled.
template <class Operation>
std::size_t finish_all(aloft::detail::reactor& reactor, std::size_t wanted) {
    std::size_t count = 0;
    work_list finished;
    while (count < wanted) {
        reactor.poll(finished, no_deadline);
        count += count_finished<Operation>(finished);
    }
    reactor.poll(finished, 0);
    return count + count_finished<Operation>(finished);
}

template <class Operation>
[[nodiscard]] bool each_finished_once(const std::vector<Operation>& operations) {
    return std::all_of(operations.begin(), operations.end(),
                       [](const Operation& op) { return op.finishes == 1; });
}

[[nodiscard]] inline descriptor open_zero() {
    return descriptor(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
}

[[nodiscard]] inline descriptor open_event() {
    return descriptor(::eventfd(0, EFD_CLOEXEC));
}

inline void raise_event(const descriptor& event) {
    const std::uint64_t one = 1;
    (void)!::write(event.get(), &one, sizeof one);
}

inline void clear_event(const descriptor& event) {
    std::uint64_t count = 0;
    (void)!::read(event.get(), &count, sizeof count);
}

/// A limit, a cancellation from another thread and a completion meet at every distance: one of them
/// ends each operation, which ends once.
template <class Reactor>
void race_three_ends(Reactor& reactor, int rounds) {
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    const descriptor event = open_event();
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    polling op;
    std::thread other([&] {
        std::mt19937 random(seed);
        for (int round = 1; round <= rounds; ++round) {
            wait_closely([&] { return begun.load() >= round; });
            spin(static_cast<unsigned>(random() % 600));
            reactor.cancel(op);
            spin(static_cast<unsigned>(random() % 300));
            raise_event(event);
            ended.store(round);
        }
    });
    std::mt19937 random(seed + 1);
    int conserved = 0;
    for (int round = 1; round <= rounds; ++round) {
        const time_limit limit{0, static_cast<long long>(random() % 40'000)};
        op.prepare(event.get(), &limit);
        reactor.submit(op);
        begun.store(round);
        (void)finish_all<polling>(reactor, 1);
        conserved += op.result == POLLIN || op.result == -ECANCELED ? 1 : 0;
        wait_closely([&] { return ended.load() >= round; });
        clear_event(event);
    }
    other.join();
    CHECK(conserved == rounds);
    CHECK(op.finishes == rounds);
    CHECK(reactor.in_flight() == 0);
}

} // namespace test_support

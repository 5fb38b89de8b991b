// SPDX-License-Identifier: MIT
// The io_uring reactor by itself, with the smallest queues: nothing is lost, nothing comes twice.
#include <aloft/detail/reactor/io_uring.hpp>

#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/operations.hpp>
#include <support/periodic_signal.hpp>
#include <support/refusing_kernel.hpp>
#include <support/sockets.hpp>
#include <support/wait_until.hpp>

#include <aloft/poll.hpp>
#include <aloft/tcp.hpp>
#include <aloft/when_all.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::detail::io_uring_reactor;

TEST_CASE("thousands of operations pass through the smallest queues exactly once each") {
    const no_leaked_descriptors descriptors;
    const unsigned entries = GENERATE(1u, 2u, 4u, 64u);
    io_uring_reactor reactor(entries);
    const descriptor zero = open_zero();
    constexpr std::size_t count = 5000;
    std::vector<reading> operations(count);
    std::size_t done = 0;
    work_list finished;
    SECTION("and the answers are collected now and then") {
        for (std::size_t i = 0; i < count; ++i) {
            operations[i].prepare(zero.get());
            operations[i].byte = 'x';
            reactor.submit(operations[i]);
            if (i % 97 == 0) {
                reactor.poll(finished, 0);
                done += count_finished<reading>(finished);
            }
        }
    }
    SECTION("and the completion queue overflows") {
        for (reading& op : operations) {
            op.prepare(zero.get());
            op.byte = 'x';
            reactor.submit(op);
        }
        CHECK(reactor.in_flight() == count);
    }
    done += finish_all<reading>(reactor, count - done);
    CHECK(done == count);
    CHECK(each_finished_once(operations));
    CHECK(std::all_of(operations.begin(), operations.end(),
                      [](const reading& op) { return op.result == 1 && op.byte == 0; }));
    CHECK(reactor.in_flight() == 0);
}

TEST_CASE("errors come back as negated numbers") {
    const no_leaked_descriptors descriptors;
    io_uring_reactor reactor(4);
    reading op;
    op.prepare(-1);
    reactor.submit(op);
    CHECK(finish_all<reading>(reactor, 1) == 1);
    CHECK(op.result == -EBADF);
}

TEST_CASE("an operation that is cancelled before the kernel has seen it ends as cancelled") {
    const no_leaked_descriptors descriptors;
    io_uring_reactor reactor(4);
    const descriptor event = open_event();
    for (int round = 0; round < 200; ++round) {
        polling op;
        op.prepare(event.get());
        reactor.submit(op);
        reactor.cancel(op);
        reactor.cancel(op); // asking twice is asking once
        REQUIRE(finish_all<polling>(reactor, 1) == 1);
        REQUIRE(op.result == -ECANCELED);
        REQUIRE(op.finishes == 1);
    }
}

TEST_CASE("an operation that is cancelled while the kernel has it ends as cancelled") {
    const no_leaked_descriptors descriptors;
    io_uring_reactor reactor(4);
    const descriptor event = open_event();
    work_list finished;
    for (int round = 0; round < 200; ++round) {
        polling op;
        op.prepare(event.get());
        reactor.submit(op);
        reactor.poll(finished, 0);
        REQUIRE(finished.empty());
        reactor.cancel(op);
        REQUIRE(finish_all<polling>(reactor, 1) == 1);
        REQUIRE(op.result == -ECANCELED);
    }
}

TEST_CASE("cancelling a finished operation does nothing, also to the next one in its place") {
    const no_leaked_descriptors descriptors;
    io_uring_reactor reactor(4);
    const pipe_ends pipe;
    reading op;
    for (int round = 1; round <= 200; ++round) {
        op.prepare(pipe.read.get());
        reactor.submit(op);
        pipe.put();
        REQUIRE(finish_all<reading>(reactor, 1) == 1);
        REQUIRE(op.result == 1);
        REQUIRE(op.finishes == round);
        reactor.cancel(op);
    }
}

TEST_CASE("no cancellation is lost when the submission queue is full") {
    const no_leaked_descriptors descriptors;
    const unsigned entries = GENERATE(1u, 2u, 4u);
    io_uring_reactor reactor(entries);
    const descriptor event = open_event();
    std::vector<polling> operations(2000);
    for (polling& op : operations) {
        op.prepare(event.get());
        reactor.submit(op);
    }
    const bool from_another_thread = GENERATE(false, true);
    if (from_another_thread) {
        std::thread([&] {
            for (polling& op : operations) {
                reactor.cancel(op);
            }
        }).join();
    } else {
        for (polling& op : operations) {
            reactor.cancel(op);
        }
    }
    CHECK(finish_all<polling>(reactor, operations.size()) == operations.size());
    CHECK(each_finished_once(operations));
    CHECK(std::all_of(operations.begin(), operations.end(),
                      [](const polling& op) { return op.result == -ECANCELED; }));
}

TEST_CASE("a cancellation races the completion, and never hits the next operation at the address") {
    const no_leaked_descriptors descriptors;
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    io_uring_reactor reactor(4);
    const pipe_ends pipe;
    reading op;
    constexpr int rounds = 20'000;
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    std::thread other([&] {
        std::mt19937 random(seed);
        for (int round = 1; round <= rounds; ++round) {
            wait_closely([&] { return begun.load() >= round; });
            const bool cancel_first = random() % 2 == 0;
            spin(static_cast<unsigned>(random() % 200));
            cancel_first ? reactor.cancel(op) : pipe.put();
            spin(static_cast<unsigned>(random() % 200));
            cancel_first ? pipe.put() : reactor.cancel(op);
            ended.store(round);
        }
    });
    std::mt19937 random(seed + 1);
    int completed = 0;
    int canceled = 0;
    bool conserved = true;
    for (int round = 1; round <= rounds; ++round) {
        op.prepare(pipe.read.get());
        reactor.submit(op);
        if (random() % 2 == 0) {
            work_list none;
            reactor.poll(none, 0);
            conserved = conserved && none.empty();
        }
        begun.store(round);
        (void)finish_all<reading>(reactor, 1);
        const int result = op.result;
        wait_closely([&] { return ended.load() >= round; });
        completed += result == 1 ? 1 : 0;
        canceled += result == -ECANCELED ? 1 : 0;
        conserved = conserved && pipe.take_left_over() == (result != 1);
        // Nobody cancels this one.
        op.prepare(pipe.read.get());
        reactor.submit(op);
        work_list none;
        reactor.poll(none, 0);
        conserved = conserved && none.empty();
        pipe.put();
        (void)finish_all<reading>(reactor, 1);
        conserved = conserved && op.result == 1 && op.finishes == 2 * round;
        if (!conserved) {
            FAIL_CHECK("round " << round << ": first " << result << ", second " << op.result
                                << ", finishes " << op.finishes);
            break;
        }
    }
    begun.store(rounds);
    other.join();
    if (conserved) {
        CHECK(completed + canceled == rounds);
    }
}

TEST_CASE("answers that another thread may collect arrive exactly once") {
    const no_leaked_descriptors descriptors;
    io_uring_reactor reactor(8);
    const descriptor zero = open_zero();
    constexpr std::size_t batch = 64;
    constexpr std::size_t batches = 500;
    std::vector<reading> operations(batch);
    std::atomic<std::size_t> stolen{0};
    std::atomic<bool> stop{false};
    std::thread thief([&] {
        while (!stop.load()) {
            work_list finished;
            reactor.try_reap(finished);
            std::size_t count = 0;
            while (work_node* const node = finished.pop()) {
                ++static_cast<reading&>(static_cast<operation&>(*node)).finishes;
                ++count;
            }
            stolen.fetch_add(count);
        }
    });
    std::size_t own = 0;
    for (std::size_t round = 1; round <= batches; ++round) {
        for (reading& op : operations) {
            op.prepare(zero.get());
            reactor.submit(op);
        }
        while (own + stolen.load() < round * batch) {
            work_list finished;
            reactor.poll(finished, round % 2 == 0 ? 0 : now_ns() + 100'000);
            own += count_finished<reading>(finished);
        }
    }
    stop = true;
    thief.join();
    CHECK(own + stolen == batches * batch);
    CHECK(std::all_of(operations.begin(), operations.end(),
                      [](const reading& op) { return op.finishes == static_cast<int>(batches); }));
    CHECK(reactor.in_flight() == 0);
}

TEST_CASE("a wake-up before, during or after parking is never lost") {
    const no_leaked_descriptors descriptors;
    const bool with_thief = GENERATE(false, true);
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed << ", with thief: " << with_thief);
    io_uring_reactor reactor(4);
    constexpr long rounds = 20'000;
    std::atomic<long> returns{0};
    std::atomic<bool> stop{false};
    std::thread owner([&] {
        std::mt19937 random(seed);
        while (!stop.load()) {
            work_list finished;
            if (random() % 4 == 0) { // must not use the wake-up up
                reactor.poll(finished, 0);
            }
            spin(static_cast<unsigned>(random() % 100));
            reactor.poll(finished, no_deadline);
            returns.fetch_add(1);
        }
    });
    std::thread thief([&] {
        while (with_thief && !stop.load()) {
            work_list finished;
            reactor.try_reap(finished);
            std::this_thread::yield();
        }
    });
    std::mt19937 random(seed + 1);
    for (long round = 0; round < rounds; ++round) {
        spin(static_cast<unsigned>(random() % 400));
        const long before = returns.load();
        reactor.wake();
        wait_closely([&] { return returns.load() != before; });
    }
    stop = true;
    reactor.wake();
    owner.join();
    thief.join();
    CHECK(returns >= rounds);
}

TEST_CASE("wake-ups that nobody waited for do not pile up into lost ones") {
    const no_leaked_descriptors descriptors;
    io_uring_reactor reactor(2);
    for (int i = 0; i < 10'000; ++i) {
        reactor.wake();
    }
    work_list finished;
    reactor.poll(finished, no_deadline); // returns
    std::atomic<bool> returned{false};
    std::thread waker([&] {
        while (!returned.load()) {
            reactor.wake();
            std::this_thread::sleep_for(1ms);
        }
    });
    for (int i = 0; i < 20; ++i) {
        reactor.poll(finished, no_deadline);
    }
    returned = true;
    waker.join();
    CHECK(finished.empty());
}

TEST_CASE("a limit and a completion race, and one of them ends the operation") {
    const no_leaked_descriptors descriptors;
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    io_uring_reactor reactor(2);
    const descriptor event = open_event();
    constexpr int rounds = 5000;
    std::atomic<int> begun{0};
    std::atomic<int> raised{0};
    std::thread raiser([&] {
        std::mt19937 random(seed);
        for (int round = 1; round <= rounds; ++round) {
            wait_closely([&] { return begun.load() >= round; });
            spin(static_cast<unsigned>(random() % 1000));
            raise_event(event);
            raised.store(round);
        }
    });
    polling op;
    std::mt19937 random(seed + 1);
    int ready = 0;
    int late = 0;
    for (int round = 1; round <= rounds; ++round) {
        const time_limit limit{0, static_cast<long long>(random() % 60'000)};
        op.prepare(event.get(), &limit);
        reactor.submit(op);
        begun.store(round);
        (void)finish_all<polling>(reactor, 1);
        ready += op.result == POLLIN ? 1 : 0;
        late += op.result == -ECANCELED && op.timed_out ? 1 : 0;
        wait_closely([&] { return raised.load() >= round; });
        clear_event(event);
    }
    raiser.join();
    CHECK(ready + late == rounds);
    CHECK(op.finishes == rounds);
}

TEST_CASE("a limit, a cancellation and a completion race, and one of them ends the operation") {
    const no_leaked_descriptors descriptors;
    io_uring_reactor reactor(2);
    race_three_ends(reactor, 3000);
}

TEST_CASE("parking ends at its deadline and not before") {
    const no_leaked_descriptors descriptors;
    io_uring_reactor reactor(2);
    work_list finished;
    reactor.poll(finished, 0);
    const auto deadline = now_ns() + 5'000'000;
    int rounds = 0;
    while (now_ns() < deadline) {
        reactor.poll(finished, deadline);
        ++rounds;
    }
    CHECK(finished.empty());
    CHECK(rounds < 1000);      // it did not spin
    reactor.poll(finished, 1); // long past
}

TEST_CASE("signals that interrupt the waits lose nothing") {
    const no_leaked_descriptors descriptors;
    const periodic_signal interruptions(200'000);
    const long before = periodic_signal::deliveries();
    SECTION("of a reactor") {
        io_uring_reactor reactor(2);
        const pipe_ends pipe;
        std::vector<reading> operations(100);
        for (reading& op : operations) {
            op.prepare(pipe.read.get());
            reactor.submit(op);
        }
        std::thread writer([&] {
            for (std::size_t i = 0; i < operations.size(); ++i) {
                std::this_thread::sleep_for(500us);
                pipe.put();
            }
        });
        CHECK(finish_all<reading>(reactor, operations.size()) == operations.size());
        writer.join();
        CHECK(each_finished_once(operations));
    }
    SECTION("of a runtime") {
        for (int round = 0; round < 20; ++round) {
            aloft::runtime rt(workers(2));
            std::vector<aloft::task<void>> sleepers;
            for (int i = 0; i < 50; ++i) {
                sleepers.push_back(aloft::detail::as_task(aloft::sleep_for(5ms)));
            }
            aloft::sync_wait(rt, aloft::when_all(std::move(sleepers)));
        }
    }
    CHECK(periodic_signal::deliveries() > before);
}

TEST_CASE("refusing ends what is in flight and refuses what comes later") {
    const no_leaked_descriptors descriptors;
    io_uring_reactor reactor(2);
    const descriptor event = open_event();
    const descriptor zero = open_zero();
    std::vector<polling> operations(100);
    const time_limit an_hour{3600, 0};
    for (std::size_t i = 0; i < operations.size(); ++i) {
        operations[i].prepare(event.get(), i % 2 == 0 ? &an_hour : nullptr);
        reactor.submit(operations[i]);
    }
    reactor.refuse_all();
    CHECK(finish_all<polling>(reactor, operations.size()) == operations.size());
    CHECK(each_finished_once(operations));
    for (const polling& op : operations) {
        REQUIRE(op.result == -ECANCELED);
        REQUIRE_FALSE(op.timed_out);
    }
    reading late;
    late.prepare(zero.get());
    reactor.submit(late);
    CHECK(finish_all<reading>(reactor, 1) == 1);
    CHECK(late.result == -ECANCELED);
    reactor.refuse_all();
    reactor.cancel(late);
    work_list finished;
    reactor.poll(finished, 0);
    CHECK(finished.empty());
    CHECK(reactor.in_flight() == 0);
}

TEST_CASE("a kernel that refuses submissions now and then loses nothing") {
    const no_leaked_descriptors descriptors;
    std::atomic<unsigned> calls{0};
    constexpr std::array<int, 4> answers{0, EBUSY, EAGAIN, EINTR};
    refusing_kernel kernel([&] { return answers[calls.fetch_add(1) % answers.size()]; });
    std::size_t finished_count = 0;
    std::vector<polling> parked(200);
    std::vector<polling> limited(200);
    const bool ran = kernel.run([&] {
        io_uring_reactor reactor(2);
        const descriptor event = open_event();
        const time_limit soon{0, 1000};
        for (std::size_t i = 0; i < parked.size(); ++i) {
            parked[i].prepare(event.get());
            reactor.submit(parked[i]);
            limited[i].prepare(event.get(), &soon);
            reactor.submit(limited[i]);
            if (i % 3 == 0) {
                reactor.cancel(parked[i]);
            }
        }
        for (polling& op : parked) {
            reactor.cancel(op);
        }
        finished_count = finish_all<polling>(reactor, parked.size() + limited.size());
    });
    if (!ran) {
        SKIP("system call filters are not allowed here");
    }
    CHECK(calls > 0);
    CHECK(finished_count == parked.size() + limited.size());
    CHECK(each_finished_once(parked));
    CHECK(each_finished_once(limited));
    for (std::size_t i = 0; i < parked.size(); ++i) {
        REQUIRE(parked[i].result == -ECANCELED);
        REQUIRE(limited[i].timed_out);
    }
}

TEST_CASE(
    "what never reached the kernel ends when everything is refused, also if it was cancelled") {
    const no_leaked_descriptors descriptors;
    std::atomic<bool> deaf{true};
    refusing_kernel kernel([&] { return deaf.load() ? EBUSY : 0; });
    const descriptor event = open_event();
    std::vector<std::unique_ptr<polling>> operations;
    for (int i = 0; i < 20; ++i) {
        operations.push_back(std::make_unique<polling>());
        operations.back()->prepare(event.get());
    }
    std::size_t early = 0;
    std::size_t late = 0;
    std::size_t left = 0;
    const bool ran = kernel.run([&] {
        io_uring_reactor reactor(2);
        for (const auto& op : operations) {
            reactor.submit(*op);
        }
        for (const auto& op : operations) {
            reactor.cancel(*op);
        }
        reactor.refuse_all();
        work_list finished;
        reactor.poll(finished, 0);
        early = count_finished<polling>(finished);
        for (auto& op : operations) {
            if (op->finishes > 0) {
                op.reset(); // whoever still refers to it is seen by the address sanitizer
            }
        }
        deaf = false;
        while (reactor.in_flight() > 0) {
            reactor.poll(finished, now_ns() + 1'000'000);
            late += count_finished<polling>(finished);
        }
        left = reactor.in_flight();
    });
    if (!ran) {
        SKIP("system call filters are not allowed here");
    }
    CHECK(early > 0);
    CHECK(early + late == operations.size());
    CHECK(left == 0);
}

TEST_CASE("an abandoned operation that never reached the kernel is released by the refusal") {
    const no_leaked_descriptors descriptors;
    std::atomic<bool> deaf{true};
    refusing_kernel kernel([&] { return deaf.load() ? EAGAIN : 0; });
    const descriptor event = open_event();
    std::vector<polling> operations(20);
    polling& abandoned = operations.back();
    abandoned.stoppable = GENERATE(true, false);
    std::size_t finished_count = 0;
    const bool ran = kernel.run([&] {
        io_uring_reactor reactor(2);
        for (polling& op : operations) {
            op.prepare(event.get());
            reactor.submit(op);
        }
        std::thread abandoner([&] { reactor.abandon(abandoned); });
        wait_until([&] { return abandoned.phase.load() == operation_phase::cancel_listed; });
        reactor.refuse_all();
        work_list finished;
        reactor.poll(finished, 0);
        finished_count = count_finished<polling>(finished);
        deaf = false;
        while (reactor.in_flight() > 0) {
            reactor.refuse_all(); // the kernel has not heard of the first time
            reactor.poll(finished, now_ns() + 1'000'000);
            finished_count += count_finished<polling>(finished);
        }
        abandoner.join();
    });
    if (!ran) {
        SKIP("system call filters are not allowed here");
    }
    CHECK(abandoned.finishes == 0);
    CHECK(abandoned.phase == operation_phase::released);
    CHECK(finished_count == operations.size() - 1);
}

TEST_CASE("operations are abandoned while others complete, on the owner's thread and on others") {
    const no_leaked_descriptors descriptors;
    const bool on_owner = GENERATE(true, false);
    std::size_t others = 0;
    constexpr std::size_t rounds = 500;
    const descriptor event = open_event();
    const descriptor zero = open_zero();
    std::thread owner([&] {
        io_uring_reactor reactor(2);
        std::vector<reading> short_ones(rounds);
        std::vector<std::unique_ptr<polling>> long_ones(rounds);
        work_list finished;
        for (std::size_t i = 0; i < rounds; ++i) {
            short_ones[i].prepare(zero.get());
            short_ones[i].stoppable = i % 4 < 2;
            reactor.submit(short_ones[i]);
            long_ones[i] = std::make_unique<polling>();
            long_ones[i]->prepare(event.get());
            long_ones[i]->stoppable = i % 2 == 0;
            reactor.submit(*long_ones[i]);
            if (i % 3 == 0) {
                reactor.poll(finished, 0);
            }
            if (on_owner) {
                reactor.abandon(*long_ones[i]);
                long_ones[i].reset();
            }
        }
        std::atomic<bool> gone{on_owner};
        std::thread abandoner([&] {
            for (auto& op : long_ones) {
                if (op != nullptr) {
                    reactor.abandon(*op);
                    op.reset();
                }
            }
            gone = true;
            reactor.wake();
        });
        while (!gone.load() || reactor.in_flight() > 0) {
            others += count_finished<reading>(finished);
            reactor.poll(finished, no_deadline);
            if (gone.load() && reactor.in_flight() == 0) {
                break;
            }
        }
        reactor.poll(finished, 0);
        others += count_finished<reading>(finished);
        abandoner.join();
    });
    owner.join();
    CHECK(others == rounds);
}

TEST_CASE("a runtime works with the smallest rings") {
    const no_leaked_descriptors descriptors;
    const unsigned entries = GENERATE(1u, 2u, 3u, 4u);
    const std::size_t threads = GENERATE(1u, 2u);
    aloft::runtime rt(workers(threads).ring_entries(entries));
    INFO(rt.backend());
    const stream_pair pair = unix_pair();
    constexpr std::size_t bytes = 100'000;
    std::vector<aloft::task<void>> work;
    for (int i = 0; i < 300; ++i) {
        work.push_back(aloft::detail::as_task(aloft::sleep_for(std::chrono::microseconds(i * 10))));
    }
    std::vector<char> sent(bytes, 's');
    std::vector<char> received(bytes);
    auto receiver = aloft::spawn(rt, pair.far.read_exact(std::span(received)));
    auto sender = aloft::spawn(rt, pair.near.write_all(sent));
    aloft::sync_wait(rt, aloft::when_all(std::move(work)));
    CHECK(aloft::sync_wait(rt, receiver) == bytes);
    CHECK(aloft::sync_wait(rt, sender) == bytes);
    CHECK(sent == received);
}

TEST_CASE("a ring at the place of one that has ended is no race") {
    // What hands over here is relaxed, so that the sanitizer learns of the order from the rings alone.
    std::atomic<bool> ended{false};
    std::thread later([&ended] {
        wait_until([&ended] { return ended.load(std::memory_order_relaxed); });
        aloft::detail::io_uring_ring ring(8);
        ring.trial_read();
    });
    {
        aloft::detail::io_uring_ring ring(8);
        ring.trial_read();
    }
    ended.store(true, std::memory_order_relaxed);
    later.join();
}

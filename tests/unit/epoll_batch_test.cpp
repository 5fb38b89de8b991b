// SPDX-License-Identifier: MIT
// What an epoll reactor takes from the kernel at once and looks at bit by bit, and what ends without
// having waited.
#include <aloft/detail/reactor/epoll.hpp>

#include <support/descriptors.hpp>
#include <support/operations.hpp>
#include <support/sockets.hpp>
#include <support/stream_operations.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

using namespace test_support;
using aloft::detail::epoll_reactor;

namespace {

[[nodiscard]] std::unique_ptr<epoll_reactor> make_reactor() {
    return std::make_unique<epoll_reactor>(epoll_reactor::make_set());
}

/// Polls that wait at a descriptor each.
struct crowd {
    crowd(epoll_reactor& reactor, std::size_t size, const time_limit* limit = nullptr)
        : limits(limit != nullptr ? size : 0), waiting(size) {
        for (std::size_t i = 0; i < size; ++i) {
            if (limit != nullptr) { // one operation at a time has it
                limits[i].seconds = limit->seconds;
                limits[i].nanoseconds = limit->nanoseconds;
            }
            waiting[i].prepare(events.emplace_back(open_event()).get(),
                               limit != nullptr ? &limits[i] : nullptr);
            reactor.submit(waiting[i]);
        }
    }
    void cancel_all(epoll_reactor& reactor) {
        for (polling& each : waiting) {
            reactor.cancel(each);
        }
    }
    void raise_all() const {
        for (const descriptor& each : events) {
            raise_event(each);
        }
    }
    std::vector<descriptor> events;
    std::vector<time_limit> limits;
    std::vector<polling> waiting;
};

[[nodiscard]] std::size_t poll_once(epoll_reactor& reactor, std::int64_t deadline) {
    work_list finished;
    reactor.poll(finished, deadline);
    return count_finished<operation_with_count>(finished);
}

/// Calls body(number of operations that have ended) in the state in which a part of what is ready has
/// been looked at. A thread that is interrupted for a millisecond looks at all of it: then once more.
template <class Prepare, class Body>
void with_batch_left(Prepare&& prepare, Body&& body) {
    for (int attempt = 0; attempt < 100; ++attempt) {
        const auto reactor = make_reactor();
        auto scene = prepare(*reactor);
        const std::size_t ended = poll_once(*reactor, 0);
        if (reactor->has_more()) {
            body(*reactor, *scene, ended);
            return;
        }
        while (reactor->in_flight() > 0) {
            scene->cancel_all(*reactor);
            (void)poll_once(*reactor, 0);
        }
    }
    FAIL("everything was looked at at once, a hundred times");
}

/// A connection of which it has turned out that its reads fill their buffers and leave nothing.
struct filled_stream {
    explicit filled_stream(epoll_reactor& reactor) : pair(tcp_pair()) {
        for (int round = 0; round < 2; ++round) {
            in.prepare(pair.near.native_handle(), 5);
            reactor.submit(in);
            put(pair.far.native_handle(), "exact");
            REQUIRE(finish_all<receiving>(reactor, 1) == 1);
            REQUIRE(in.text() == "exact");
        }
    }
    stream_pair pair;
    receiving in;
};

} // namespace

// ---- batches ----

TEST_CASE("an owner gets all that is ready before it parks") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const bool parks = GENERATE(false, true);
    const crowd all(*reactor, 300); // more than one batch
    all.raise_all();
    std::size_t ended = 0;
    while (ended < all.waiting.size()) {
        const std::size_t share = poll_once(*reactor, parks ? no_deadline : 0);
        REQUIRE(share > 0); // while there is something, it does not wait, nor comes back empty
        ended += share;
    }
    CHECK(each_finished_once(all.waiting));
    CHECK(poll_once(*reactor, now_ns() + 1'000'000) == 0);
    CHECK_FALSE(reactor->has_more());
}

TEST_CASE("a busy owner's batch is in reach of others") {
    const no_leaked_descriptors descriptors;
    const bool helps = GENERATE(false, true);
    with_batch_left(
        [](epoll_reactor& reactor) {
            auto all = std::make_unique<crowd>(reactor, 100);
            all->raise_all();
            return all;
        },
        [&](epoll_reactor& reactor, crowd& all, std::size_t ended) {
            if (helps) { // takes all of it
                std::thread([&] {
                    work_list finished;
                    reactor.help(finished);
                    ended += count_finished<polling>(finished);
                }).join();
            }
            // Who searches takes it share by share, and does not look at the kernel before.
            for (std::size_t before = 0; before != ended && !helps;) {
                before = ended;
                work_list finished;
                reactor.try_reap(finished);
                ended += count_finished<polling>(finished);
            }
            CHECK(ended == all.waiting.size());
            CHECK(each_finished_once(all.waiting));
        });
}

TEST_CASE("what has been in a batch for long is looked at as a whole") {
    const no_leaked_descriptors descriptors;
    with_batch_left(
        [](epoll_reactor& reactor) {
            auto all = std::make_unique<crowd>(reactor, 100);
            all->raise_all();
            return all;
        },
        [](epoll_reactor& reactor, crowd& all, std::size_t ended) {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            CHECK(ended + poll_once(reactor, 0) == all.waiting.size());
        });
}

TEST_CASE("what lies in a batch does not time out") {
    const no_leaked_descriptors descriptors;
    const time_limit limit{0, 1}; // over before anybody looks
    with_batch_left(
        [&](epoll_reactor& reactor) {
            auto all = std::make_unique<crowd>(reactor, 100, &limit);
            all->raise_all();
            return all;
        },
        [](epoll_reactor& reactor, crowd& all, std::size_t ended) {
            while (ended < all.waiting.size()) {
                ended += poll_once(reactor, no_deadline);
            }
            CHECK(std::none_of(all.waiting.begin(), all.waiting.end(),
                               [](const polling& each) { return each.timed_out; }));
        });
}

TEST_CASE("a wake-up is not lost among the events of a batch") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    crowd silent(*reactor, 1);
    const crowd all(*reactor, 40);
    all.raise_all();
    reactor->wake(); // the last event of the batch
    std::size_t ended = 0;
    std::size_t empty_handed = 0;
    while (ended < all.waiting.size()) {
        const std::size_t share = poll_once(*reactor, no_deadline);
        ended += share;
        empty_handed += share == 0 ? 1 : 0;
    }
    REQUIRE(empty_handed == 0);
    if (reactor->has_more()) { // the wake-up is the first event of a share: it comes back for that
        CHECK(poll_once(*reactor, no_deadline) == 0);
    }
    const auto deadline = now_ns() + 2'000'000;
    CHECK(poll_once(*reactor, deadline) == 0); // once
    CHECK(now_ns() >= deadline);
    silent.cancel_all(*reactor);
    CHECK(poll_once(*reactor, 0) == 1);
}

namespace {

/// A connection on which data has come, behind others' events.
struct late_stream {
    explicit late_stream(epoll_reactor& reactor) : others(reactor, 20), pair(tcp_pair()) {
        in.prepare(pair.near.native_handle());
        reactor.submit(in);
    }
    void cancel_all(epoll_reactor& reactor) {
        others.cancel_all(reactor);
        reactor.cancel(in);
    }
    crowd others;
    stream_pair pair;
    receiving in;
};

} // namespace

TEST_CASE("an event that has been taken and not looked at tells of data for a later read") {
    const no_leaked_descriptors descriptors;
    with_batch_left(
        [](epoll_reactor& reactor) {
            auto scene = std::make_unique<late_stream>(reactor);
            put(scene->pair.far.native_handle(), "first");
            REQUIRE(finish_all<receiving>(reactor, 1) == 1); // a short read: nothing is left
            scene->others.raise_all();
            put(scene->pair.far.native_handle(), "second");
            return scene;
        },
        [](epoll_reactor& reactor, late_stream& scene, std::size_t ended) {
            scene.in.prepare(scene.pair.near.native_handle());
            reactor.submit(scene.in); // waits, as nothing was left, for the event in the batch
            REQUIRE(scene.in.phase.load() == operation_phase::in_flight);
            while (ended < scene.others.waiting.size() + 1) {
                ended += poll_once(reactor, no_deadline);
            }
            CHECK(scene.in.text() == "second");
            CHECK(each_finished_once(scene.others.waiting));
        });
}

TEST_CASE("a batch's event of a number that has been closed is not the next file's") {
    const no_leaked_descriptors descriptors;
    with_batch_left(
        [](epoll_reactor& reactor) {
            auto scene = std::make_unique<late_stream>(reactor);
            scene->others.raise_all();
            put(scene->pair.far.native_handle(), "for the one that goes");
            return scene;
        },
        [](epoll_reactor& reactor, late_stream& scene, std::size_t ended) {
            const int number = scene.pair.near.native_handle();
            reactor.cancel(scene.in);
            work_list answered;
            reactor.try_reap(answered);
            ended += count_finished<operation_with_count>(answered);
            REQUIRE(scene.in.result == -ECANCELED);
            scene.pair.near.close();
            const stream_pair next = tcp_pair();
            REQUIRE(next.near.native_handle() == number);
            scene.in.prepare(number);
            reactor.submit(scene.in);
            while (ended < scene.others.waiting.size() + 1) {
                ended += poll_once(reactor, no_deadline);
            }
            CHECK(scene.in.finishes == 1);
            put(next.far.native_handle(), "its own");
            REQUIRE(finish_all<receiving>(reactor, 1) == 1);
            CHECK(scene.in.text() == "its own");
        });
}

// ---- what ends where it is submitted ----

TEST_CASE("what has its answer at once ends there, if it may") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = tcp_pair();
    const int near = pair.near.native_handle();
    receiving in;
    SECTION("with success") {
        put(pair.far.native_handle(), "there");
        in.prepare(near);
        CHECK(reactor->submit_or_end(in));
        CHECK(in.text() == "there");
    }
    SECTION("with an error") {
        in.prepare(-1);
        CHECK(reactor->submit_or_end(in));
        CHECK(in.result == -EBADF);
    }
    SECTION("while everything is refused") {
        reactor->refuse_all();
        in.prepare(near);
        CHECK(reactor->submit_or_end(in));
        CHECK(in.result == -ECANCELED);
    }
    CHECK(in.phase.load() == operation_phase::idle);
    CHECK(reactor->in_flight() == 0);
    CHECK(poll_once(*reactor, now_ns() + 1'000'000) == 0);
}

TEST_CASE("what has to wait does not end where it is submitted") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const stream_pair pair = tcp_pair();
    receiving in;
    in.prepare(pair.near.native_handle());
    REQUIRE_FALSE(reactor->submit_or_end(in));
    put(pair.far.native_handle(), "later");
    REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
    CHECK(in.text() == "later");
    reading helped; // a call of a helper thread
    const descriptor zero = open_zero();
    helped.prepare(zero.get());
    REQUIRE_FALSE(reactor->submit_or_end(helped));
    REQUIRE(finish_all<reading>(*reactor, 1) == 1);
    CHECK(helped.result == 1);
}

// ---- reads that fill their buffers ----

TEST_CASE("a read that fills its buffer and leaves nothing is not followed by one in vain") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    filled_stream stream(*reactor);
    const int near = stream.pair.near.native_handle();
    put(stream.pair.far.native_handle(), "x"); // nobody has looked for its event yet
    stream.in.prepare(near, 5);
    REQUIRE_FALSE(reactor->submit_or_end(stream.in)); // known to be empty: it is not tried
    char peeked = 0;
    CHECK(::recv(near, &peeked, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
    REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
    CHECK(stream.in.text() == "x");
}

TEST_CASE("what is behind a read that filled its buffer is read at once") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    filled_stream stream(*reactor);
    const int near = stream.pair.near.native_handle();
    stream.in.prepare(near, 5);
    reactor->submit(stream.in);
    put(stream.pair.far.native_handle(), "exactly more");
    REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
    REQUIRE(stream.in.text() == "exact");
    for (const std::string_view piece : {"ly mo", "re"}) {
        stream.in.prepare(near, 5);
        REQUIRE(reactor->submit_or_end(stream.in));
        CHECK(stream.in.text() == piece);
    }
}

TEST_CASE("the end, a reset, or urgent data behind a read that filled its buffer is seen") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    const int ending = GENERATE(0, 1, 2); // end, reset, urgent data
    const bool before_the_read = GENERATE(false, true);
    for (int round = 0; round < 30; ++round) {
        filled_stream stream(*reactor);
        const int near = stream.pair.near.native_handle();
        const int far = stream.pair.far.native_handle();
        stream.in.prepare(near, 5);
        reactor->submit(stream.in);
        put(far, "exact");
        const auto finish_read = [&] { REQUIRE(finish_all<receiving>(*reactor, 1) == 1); };
        if (!before_the_read) {
            finish_read();
        }
        if (ending == 0) {
            stream.pair.far.close();
        } else if (ending == 1) {
            close_with_reset(stream.pair.far);
        } else {
            REQUIRE(::send(far, "!", 1, MSG_OOB) == 1);
            put(far, "after");
        }
        if (before_the_read) {
            finish_read();
        }
        if (stream.in.result == 5) {
            stream.in.prepare(near, 5);
            reactor->submit(stream.in);
            finish_read();
        }
        REQUIRE(stream.in.result ==
                std::array{0, -ECONNRESET, 5}[static_cast<std::size_t>(ending)]);
    }
}

TEST_CASE("a stream that fills every buffer is read to its end by two threads") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    filled_stream stream(*reactor);
    constexpr int rounds = 3000;
    std::atomic<int> got{0};
    int failed = 0;
    std::thread sender([&] {
        for (int i = 1; i <= rounds; ++i) {
            failed += ::send(stream.pair.far.native_handle(), "exact", 5, MSG_NOSIGNAL) != 5;
            if (i % 3 == 0) { // else several are there at once
                wait_closely([&] { return got.load() >= i; });
            }
        }
        stream.pair.far.close();
    });
    for (int i = 1; i <= rounds; ++i) {
        stream.in.prepare(stream.pair.near.native_handle(), 5);
        if (!reactor->submit_or_end(stream.in)) {
            REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        }
        REQUIRE(stream.in.text() == "exact");
        got.store(i);
    }
    sender.join();
    CHECK(failed == 0);
    stream.in.prepare(stream.pair.near.native_handle(), 5);
    if (!reactor->submit_or_end(stream.in)) {
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
    }
    CHECK(stream.in.result == 0);
}

TEST_CASE("a socket that gives time stamps with its data loses none of it") {
    const no_leaked_descriptors descriptors;
    const auto reactor = make_reactor();
    filled_stream stream(*reactor);
    const int near = stream.pair.near.native_handle();
    const int option = GENERATE(SO_TIMESTAMP, SO_TIMESTAMPNS);
    const int on = 1;
    REQUIRE(::setsockopt(near, SOL_SOCKET, option, &on, sizeof on) == 0);
    for (int round = 0; round < 3; ++round) {
        stream.in.prepare(near, 5);
        reactor->submit(stream.in);
        put(stream.pair.far.native_handle(), "exactly");
        REQUIRE(finish_all<receiving>(*reactor, 1) == 1);
        REQUIRE(stream.in.text() == "exact");
        stream.in.prepare(near, 5);
        REQUIRE(reactor->submit_or_end(stream.in));
        REQUIRE(stream.in.text() == "ly");
    }
}

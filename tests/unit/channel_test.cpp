// SPDX-License-Identifier: MIT
// channel: each value goes to exactly one receiver, in order, whoever is stopped, closed or destroyed
// meanwhile.
#include <aloft/as_result.hpp>
#include <aloft/channel.hpp>
#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/yield.hpp>

#include "helpers/child_process.hpp"
#include "helpers/counted.hpp"
#include "helpers/scale.hpp"
#include "helpers/seed.hpp"

#include <support/orphan.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using aloft::channel;
using aloft::runtime;
using aloft::runtime_options;
using aloft::spawn;
using aloft::stop_source;
using aloft::sync_wait;
using aloft::task;
using aloft::with_stop;
using aloft::yield;

namespace {

runtime_options one_worker() {
    return runtime_options{}.threads(1).spare_workers(0);
}

/// Lets everything that is ready on the only worker run.
task<> settle() {
    for (int turns = 0; turns < 20; ++turns) {
        co_await yield();
    }
}

enum class end : int { none, value, nothing, closed, canceled };

template <class T>
task<> receive_one(channel<T>& ch, std::optional<T>& value, std::atomic<end>& how) {
    try {
        value = co_await ch.recv();
        how = value ? end::value : end::nothing;
    } catch (const std::system_error& error) {
        how = error.code() == std::errc::operation_canceled ? end::canceled : end::none;
    }
}

template <class T>
task<> send_one(channel<T>& ch, T value, std::atomic<end>& how) {
    try {
        co_await ch.send(std::move(value));
        how = end::value;
    } catch (const std::system_error& error) {
        how = error.code() == std::errc::operation_canceled ? end::canceled
              : error.code() == std::errc::broken_pipe      ? end::closed
                                                            : end::none;
    }
}

} // namespace

TEST_CASE("a bounded channel holds as many values as it has room for, in order") {
    const std::size_t capacity = GENERATE(as<std::size_t>{}, 1, 2, 3, 64);
    channel<int> ch(capacity);
    CHECK(ch.capacity() == capacity);
    int sent = 0;
    int received = 0;
    for (int round = 0; round < 5; ++round) {
        while (ch.try_send(sent)) {
            ++sent;
        }
        CHECK(ch.size() == capacity);
        const std::size_t taken = round % 2 == 0 ? capacity : (capacity + 1) / 2;
        for (std::size_t i = 0; i < taken; ++i) {
            CHECK(ch.try_recv() == received);
            ++received;
        }
        CHECK(ch.size() == capacity - taken);
    }
    while (const auto value = ch.try_recv()) {
        CHECK(*value == received);
        ++received;
    }
    CHECK(sent == received);
    CHECK(ch.empty());
}

TEST_CASE("an unbounded channel takes everything, in order, and gives its memory back") {
    auto ch = channel<testing::counted>::unbounded();
    CHECK(ch.capacity() == channel<testing::counted>::unlimited);
    int sent = 0;
    int received = 0;
    for (int round = 0; round < 4; ++round) {
        for (int i = 0; i < 10'000; ++i) {
            REQUIRE(ch.try_send(testing::counted(sent++)));
        }
        CHECK(testing::counted::alive() == sent - received);
        for (int i = 0; i < 9'000; ++i) {
            REQUIRE(ch.try_recv()->number() == received++);
        }
    }
    CHECK(ch.size() == 4'000);
    while (const auto value = ch.try_recv()) {
        REQUIRE(value->number() == received++);
    }
    CHECK(received == sent);
    REQUIRE(ch.try_send(testing::counted(1)));
    CHECK(testing::counted::alive() == 1);
}

TEST_CASE("a channel destroys what nobody received") {
    {
        channel<testing::counted> bounded(5);
        auto unbounded = channel<testing::counted>::unbounded();
        for (int i = 0; i < 4; ++i) {
            CHECK(bounded.try_send(testing::counted(i)));
        }
        (void)bounded.try_recv();
        CHECK(bounded.try_send(testing::counted(4)));
        CHECK(bounded.try_send(testing::counted(5)));
        for (int i = 0; i < 5'000; ++i) {
            CHECK(unbounded.try_send(testing::counted(i)));
        }
        CHECK(testing::counted::alive() == 5'005);
    }
    CHECK(testing::counted::alive() == 0);
}

TEST_CASE("a rendezvous channel holds nothing: try_send needs a receiver, try_recv a sender") {
    runtime rt(one_worker());
    channel<int> ch(0);
    CHECK(ch.capacity() == 0);
    CHECK_FALSE(ch.try_send(1));
    CHECK_FALSE(ch.try_recv());
    auto parent = [&]() -> task<> {
        std::optional<int> value;
        std::atomic<end> received{end::none};
        auto receiver = spawn(receive_one(ch, value, received));
        co_await settle();
        CHECK(ch.try_send(2));
        CHECK_FALSE(ch.try_send(3)); // the value was handed over: nobody waits any more
        co_await receiver;
        CHECK(value == 2);
        std::atomic<end> sent{end::none};
        auto sender = spawn(send_one(ch, 4, sent));
        co_await settle();
        CHECK(sent.load() == end::none);
        CHECK(ch.empty());
        CHECK(ch.try_recv() == 4);
        CHECK_FALSE(ch.try_recv());
        co_await sender;
        CHECK(sent.load() == end::value);
    };
    sync_wait(rt, parent());
}

TEST_CASE("move-only values go through every kind of channel") {
    const std::size_t capacity =
        GENERATE(as<std::size_t>{}, 0, 1, 7, std::size_t{channel<int>::unlimited});
    runtime rt(runtime_options{}.threads(2));
    channel<std::unique_ptr<int>> ch(capacity);
    auto sends = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            co_await ch.send(std::make_unique<int>(i));
        }
        ch.close();
    };
    auto receives = [&]() -> task<int> {
        int next = 0;
        while (auto value = co_await ch.recv()) {
            REQUIRE(**value == next);
            ++next;
        }
        co_return next;
    };
    auto sender = spawn(rt, sends());
    CHECK(sync_wait(rt, receives()) == 100);
    sync_wait(rt, sender);
}

TEST_CASE("receivers get their values in the order of their coming") {
    const std::size_t capacity = GENERATE(as<std::size_t>{}, 0, 3);
    runtime rt(one_worker());
    channel<int> ch(capacity);
    auto parent = [&]() -> task<> {
        std::vector<std::optional<int>> values(50);
        std::vector<std::atomic<end>> ends(50);
        std::vector<aloft::join_handle<>> handles;
        for (std::size_t i = 0; i < 50; ++i) {
            handles.push_back(spawn(receive_one(ch, values[i], ends[i])));
            co_await settle();
        }
        for (int i = 0; i < 50; ++i) {
            co_await ch.send(i);
        }
        for (std::size_t i = 0; i < 50; ++i) {
            co_await handles[i];
            CHECK(values[i] == static_cast<int>(i));
        }
    };
    sync_wait(rt, parent());
}

TEST_CASE("senders that wait are not overtaken by those who come later") {
    const std::size_t capacity = GENERATE(as<std::size_t>{}, 0, 1, 3);
    runtime rt(one_worker());
    channel<int> ch(capacity);
    auto parent = [&]() -> task<> {
        std::vector<std::atomic<end>> ends(50);
        std::vector<aloft::join_handle<>> handles;
        for (std::size_t i = 0; i < 50; ++i) {
            handles.push_back(spawn(send_one(ch, static_cast<int>(i), ends[i])));
            co_await settle();
        }
        CHECK(ch.size() == capacity);
        for (int i = 0; i < 50; ++i) {
            CHECK_FALSE((i < 50 - static_cast<int>(capacity) && ch.try_send(1000)));
            const auto value = co_await ch.recv();
            CHECK(value == i);
        }
        for (auto& each : handles) {
            co_await each;
        }
        CHECK(ch.empty());
    };
    sync_wait(rt, parent());
}

TEST_CASE("closing lets receivers drain what is left, and then they get the end") {
    const std::size_t capacity =
        GENERATE(as<std::size_t>{}, 5, std::size_t{channel<int>::unlimited});
    channel<int> ch(capacity);
    CHECK_FALSE(ch.closed());
    for (int i = 0; i < 3; ++i) {
        CHECK(ch.try_send(i));
    }
    CHECK(ch.close());
    CHECK_FALSE(ch.close());
    CHECK(ch.closed());
    CHECK_FALSE(ch.try_send(9));
    auto drain = [&]() -> task<int> {
        int count = 0;
        while (const auto value = co_await ch.recv()) {
            CHECK(*value == count);
            ++count;
        }
        const auto last = co_await ch.recv();
        CHECK_FALSE(last.has_value());
        co_return count;
    };
    CHECK(sync_wait(drain()) == 3);
}

TEST_CASE("closing wakes those who wait: receivers get the end, senders fail with their values") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        channel<std::string> ch(1);
        std::vector<std::optional<std::string>> values(5);
        std::vector<std::atomic<end>> ends(5);
        std::vector<aloft::join_handle<>> handles;
        for (std::size_t i = 0; i < 5; ++i) {
            handles.push_back(spawn(receive_one(ch, values[i], ends[i])));
        }
        co_await settle();
        ch.close();
        for (std::size_t i = 0; i < 5; ++i) {
            co_await handles[i];
            CHECK(ends[i].load() == end::nothing);
        }
        channel<std::string> full(1);
        CHECK(full.try_send("first"));
        std::string given_back;
        auto sends = [&]() -> task<> {
            auto sending = full.send("long enough not to fit into the string itself");
            bool failed = false;
            try {
                co_await sending;
            } catch (const std::system_error& error) {
                failed = error.code() == std::errc::broken_pipe;
            }
            CHECK(failed);
            given_back = std::move(sending.value());
        };
        auto sender = spawn(sends());
        co_await settle();
        full.close();
        co_await sender;
        CHECK(given_back == "long enough not to fit into the string itself");
        const auto first = co_await full.recv();
        CHECK(first == "first");
        const auto last = co_await full.recv();
        CHECK_FALSE(last.has_value());
    };
    sync_wait(rt, parent());
}

TEST_CASE("sending on a closed channel is broken_pipe, as an exception or as a result") {
    channel<int> ch(2);
    ch.close();
    auto parent = [&]() -> task<> {
        std::string sentence;
        try {
            co_await ch.send(1);
        } catch (const std::system_error& error) {
            CHECK(error.code() == std::errc::broken_pipe);
            sentence = error.what();
        }
        CHECK(sentence.find("closed") != std::string::npos);
        const auto sent = co_await aloft::as_result(ch.send(1));
        CHECK_FALSE(sent.has_value());
        CHECK(sent.error() == std::errc::broken_pipe);
        const auto received = co_await aloft::as_result(ch.recv());
        REQUIRE(received.has_value());
        CHECK_FALSE(received->has_value());
    };
    sync_wait(parent());
}

TEST_CASE("try_send leaves the value alone unless it takes it") {
    channel<std::unique_ptr<int>> ch(1);
    auto first = std::make_unique<int>(1);
    auto second = std::make_unique<int>(2);
    CHECK(ch.try_send(std::move(first)));
    CHECK_FALSE(ch.try_send(std::move(second)));
    REQUIRE(second != nullptr);
    CHECK(*second == 2);
    CHECK(**ch.try_recv() == 1);
}

namespace {

/// N producers and M consumers; each value must arrive once, each producer's in order.
void check_conservation(std::size_t producers, std::size_t consumers, std::size_t capacity,
                        std::size_t threads, std::size_t each, bool plain_threads) {
    const std::uint64_t seed = testing::make_seed("producers and consumers");
    runtime rt(runtime_options{}.threads(threads));
    channel<std::size_t> ch(capacity);
    std::vector<std::atomic<unsigned char>> seen(producers * each);
    std::atomic<std::size_t> left{producers};
    std::atomic<std::size_t> wrong{0};
    std::atomic<std::size_t> largest{0};
    auto produces = [&](std::size_t number) -> task<> {
        testing::dice dice(seed + number);
        for (std::size_t i = 0; i < each; ++i) {
            co_await ch.send(number * each + i);
            if (dice.below(16) == 0) {
                co_await yield();
            }
        }
        if (left.fetch_sub(1) == 1) {
            ch.close();
        }
    };
    auto consumes = [&](std::size_t number) -> task<> {
        testing::dice dice(seed + 1000 + number);
        std::vector<std::size_t> latest(producers, 0);
        while (const auto value = co_await ch.recv()) {
            const std::size_t from = *value / each;
            const std::size_t position = *value % each + 1;
            wrong.fetch_add(position > latest[from] ? 0 : 1);
            latest[from] = position;
            wrong.fetch_add(seen[*value].exchange(1) == 0 ? 0 : 1);
            const std::size_t size = ch.size();
            if (size > largest.load()) {
                largest.store(size);
            }
            if (dice.below(16) == 0) {
                co_await yield();
            }
        }
    };
    std::vector<aloft::join_handle<>> handles;
    std::vector<std::thread> plain;
    for (std::size_t i = 0; i < producers; ++i) {
        if (plain_threads) {
            plain.emplace_back([&, i] {
                for (std::size_t k = 0; k < each;) {
                    if (ch.try_send(i * each + k)) {
                        ++k;
                    } else {
                        std::this_thread::yield();
                    }
                }
                if (left.fetch_sub(1) == 1) {
                    ch.close();
                }
            });
        } else {
            handles.push_back(spawn(rt, produces(i)));
        }
    }
    for (std::size_t i = 0; i < consumers; ++i) {
        handles.push_back(spawn(rt, consumes(i)));
    }
    for (auto& handle : handles) {
        sync_wait(rt, handle);
    }
    for (std::thread& thread : plain) {
        thread.join();
    }
    CHECK(wrong.load() == 0);
    CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& s) { return s.load() == 1; }));
    CHECK(largest.load() <= capacity);
    CHECK(ch.empty());
}

} // namespace

TEST_CASE("many producers and consumers pass each value on exactly once") {
    const std::size_t capacity =
        GENERATE(as<std::size_t>{}, 0, 1, 2, 16, std::size_t{channel<std::size_t>::unlimited});
    CAPTURE(capacity);
    check_conservation(1, 1, capacity, 2, testing::scaled(50'000), false);
    check_conservation(4, 4, capacity, 4, testing::scaled(10'000), false);
    check_conservation(1, 5, capacity, 3, testing::scaled(20'000), false);
    check_conservation(5, 1, capacity, 3, testing::scaled(4'000), false);
}

TEST_CASE("plain threads send with try_send, tasks receive, and nothing is lost") {
    check_conservation(3, 3, 1, 2, testing::scaled(5'000), true);
    check_conservation(3, 2, 64, 2, testing::scaled(10'000), true);
}

TEST_CASE("a consumer that lags makes the producer wait, and memory stays bounded") {
    runtime rt(runtime_options{}.threads(2));
    constexpr int capacity = 8;
    channel<testing::counted> ch(capacity);
    std::atomic<long> most{0};
    auto produces = [&]() -> task<> {
        for (int i = 0; i < 5'000; ++i) {
            co_await ch.send(testing::counted(i));
        }
        ch.close();
    };
    auto consumes = [&]() -> task<int> {
        int next = 0;
        while (const auto value = co_await ch.recv()) {
            REQUIRE(value->number() == next);
            ++next;
            most.store(std::max(most.load(), testing::counted::alive()));
            for (int turns = 0; turns < 4; ++turns) {
                co_await yield();
            }
        }
        co_return next;
    };
    auto producer = spawn(rt, produces());
    CHECK(sync_wait(rt, consumes()) == 5'000);
    sync_wait(rt, producer);
    CHECK(most.load() <= capacity + 6); // those on their way in and out
    CHECK(testing::counted::alive() == 0);
}

TEST_CASE("closing races sending and receiving: what was sent is received, the rest is refused") {
    const std::uint64_t seed = testing::make_seed("close against send and recv");
    const std::size_t rounds = testing::scaled(20'000);
    runtime rt(runtime_options{}.threads(2));
    std::atomic<channel<int>*> current{nullptr};
    std::atomic<std::size_t> finished{0};
    std::thread closer([&] {
        testing::dice dice(seed);
        for (std::size_t i = 1; i <= rounds; ++i) {
            channel<int>* ch = nullptr;
            test_support::wait_closely([&] { return (ch = current.exchange(nullptr)) != nullptr; });
            dice.maybe_yield(2);
            ch->close();
            finished.store(i);
        }
    });
    std::size_t sent_in_all = 0;
    for (std::size_t i = 1; i <= rounds; ++i) {
        channel<int> ch(i % 4);
        int sent = 0;
        int received = 0;
        auto sends = [&]() -> task<> {
            bool open = true;
            while (open && sent < 300) { // then the closer has not come in time
                const auto result = co_await aloft::as_result(ch.send(1));
                open = result.has_value();
                sent += open ? 1 : 0;
            }
            ch.close();
        };
        auto receives = [&]() -> task<> {
            while (const auto value = co_await ch.recv()) {
                received += *value;
            }
        };
        current.store(&ch);
        sync_wait(rt, aloft::when_all(sends(), receives()));
        test_support::wait_closely([&] { return finished.load() >= i; });
        REQUIRE(sent == received);
        sent_in_all += static_cast<std::size_t>(sent);
    }
    closer.join();
    std::printf("close: %zu values in %zu rounds\n", sent_in_all, rounds);
}

TEST_CASE("the receiver may destroy the channel as soon as it has the value") {
    const std::size_t capacity = GENERATE(as<std::size_t>{}, 0, 1);
    const std::size_t rounds = testing::scaled(20'000);
    runtime rt(runtime_options{}.threads(2));
    auto parent = [&]() -> task<> {
        for (std::size_t i = 0; i < rounds; ++i) {
            auto ch = std::make_unique<channel<std::size_t>>(capacity);
            auto sends = [](channel<std::size_t>& to, std::size_t value) -> task<> {
                co_await to.send(value);
            };
            auto sender = spawn(sends(*ch, i));
            const auto value = co_await ch->recv();
            ch.reset();
            REQUIRE(value == i);
            co_await sender;
        }
    };
    sync_wait(rt, parent());
}

namespace {

/// Throws when it is moved for the nth time; a value that threw is still there.
class throwing {
public:
    explicit throwing(int number) : number_(number) {}
    throwing(throwing&& other) : number_(other.number_) {
        if (moves_until_throw > 0 && --moves_until_throw == 0) {
            throw std::runtime_error("move");
        }
        other.number_ = -1;
    }
    throwing& operator=(throwing&&) = delete;
    ~throwing() = default;
    [[nodiscard]] int number() const noexcept { return number_; }

    static inline int moves_until_throw = 0;

private:
    int number_;
};

} // namespace

TEST_CASE("an exception from a move reaches the one that moves, and the value stays where it was") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        channel<throwing> ch(2);
        throwing value(1);
        throwing::moves_until_throw = 1;
        bool thrown = false;
        try {
            (void)ch.try_send(std::move(value));
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        CHECK(thrown);
        CHECK(value.number() == 1);
        CHECK(ch.empty());
        CHECK(ch.try_send(std::move(value)));

        throwing::moves_until_throw = 1; // from the channel to the receiver
        thrown = false;
        try {
            (void)co_await ch.recv();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        CHECK(thrown);
        CHECK(ch.size() == 1);
        {
            const auto again = co_await ch.recv();
            CHECK(again->number() == 1);
        }

        auto receives = [&]() -> task<int> { co_return (co_await ch.recv())->number(); };
        auto receiver = spawn(receives());
        co_await settle();
        throwing::moves_until_throw = 1; // directly to a receiver that waits
        throwing other(2);
        thrown = false;
        try {
            (void)ch.try_send(std::move(other));
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        CHECK(thrown);
        CHECK(ch.try_send(std::move(other)));
        const int got = co_await receiver;
        CHECK(got == 2);

        channel<throwing> tight(1);
        CHECK(tight.try_send(throwing(3)));
        bool refused = false;
        int kept = 0;
        auto sends = [&]() -> task<> {
            auto sending = tight.send(throwing(4));
            try {
                co_await sending;
            } catch (const std::runtime_error&) {
                refused = true;
            }
            kept = sending.value().number();
        };
        auto sender = spawn(sends());
        co_await settle();
        throwing::moves_until_throw = 2; // from the sender that waits into the channel
        {
            const auto taken = tight.try_recv();
            CHECK(taken->number() == 3);
        }
        throwing::moves_until_throw = 0;
        co_await sender;
        CHECK(refused);
        CHECK(kept == 4);
        CHECK(tight.empty());
        CHECK(tight.try_send(throwing(5)));
    };
    sync_wait(rt, parent());
}

TEST_CASE("a task that is stopped already neither sends nor receives") {
    runtime rt(one_worker());
    channel<int> ch(2);
    CHECK(ch.try_send(1));
    stop_source source;
    source.request_stop();
    std::optional<int> value;
    std::atomic<end> received{end::none};
    sync_wait(rt, with_stop(source.get_token(), receive_one(ch, value, received)));
    CHECK(received.load() == end::canceled);
    std::atomic<end> sent{end::none};
    sync_wait(rt, with_stop(source.get_token(), send_one(ch, 2, sent)));
    CHECK(sent.load() == end::canceled);
    CHECK(ch.size() == 1);
    CHECK(ch.try_recv() == 1);
}

TEST_CASE("a task that is stopped while it waits leaves the channel as it was") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        channel<int> ch(0);
        stop_source source;
        std::optional<int> value;
        std::atomic<end> received{end::none};
        auto receiver = spawn(with_stop(source.get_token(), receive_one(ch, value, received)));
        co_await settle();
        source.request_stop();
        CHECK_FALSE(ch.try_send(1)); // nobody waits
        co_await receiver;
        CHECK(received.load() == end::canceled);
        stop_source other;
        std::atomic<end> sent{end::none};
        auto sender = spawn(with_stop(other.get_token(), send_one(ch, 2, sent)));
        co_await settle();
        other.request_stop();
        CHECK_FALSE(ch.try_recv());
        co_await sender;
        CHECK(sent.load() == end::canceled);
    };
    sync_wait(rt, parent());
}

namespace {

/// In every round a task `work`s under a stop token while a plain thread requests stop and does
/// `other_half`, in either order.
template <class Work, class OtherHalf, class Check>
void races(const char* name, Work work, OtherHalf other_half, Check check) {
    const std::uint64_t seed = testing::make_seed(name);
    const std::size_t rounds = testing::scaled(100'000);
    runtime rt(runtime_options{}.threads(2));
    std::atomic<std::size_t> round{0};
    std::atomic<std::size_t> completed{0};
    std::optional<stop_source> source;
    source.emplace();
    std::thread other([&] {
        testing::dice dice(seed);
        for (std::size_t i = 1; i <= rounds; ++i) {
            test_support::wait_closely([&] { return round.load() >= i; });
            dice.maybe_yield(2);
            const bool first = dice.below(2) == 0;
            if (first) {
                source->request_stop();
            }
            other_half(i);
            if (!first) {
                source->request_stop();
            }
            completed.store(i);
        }
    });
    std::size_t values = 0;
    for (std::size_t i = 1; i <= rounds; ++i) {
        std::atomic<end> how{end::none};
        round.store(i);
        sync_wait(rt, with_stop(source->get_token(), work(i, how)));
        test_support::wait_closely([&] { return completed.load() >= i; });
        const bool value = how.load() == end::value;
        values += value ? 1 : 0;
        REQUIRE((value || how.load() == end::canceled));
        REQUIRE(check(i, value));
        source.reset();
        source.emplace();
    }
    other.join();
    std::printf("%s: %zu of %zu had a value\n", name, values, rounds);
}

} // namespace

TEST_CASE("a stop races a hand-over to a receiver: it has the value, or the channel has it") {
    channel<std::size_t> ch(1);
    std::optional<std::size_t> value;
    races(
        "recv against stop",
        [&](std::size_t, std::atomic<end>& how) {
            value.reset();
            return receive_one(ch, value, how);
        },
        [&](std::size_t i) { REQUIRE(ch.try_send(i)); },
        [&](std::size_t i, bool got) {
            return got ? value == i && ch.empty() : ch.try_recv() == i;
        });
}

TEST_CASE("a stop races a hand-over from a sender: it has sent, or nobody has received") {
    channel<std::size_t> ch(0);
    std::optional<std::size_t> value;
    races(
        "send against stop",
        [&](std::size_t i, std::atomic<end>& how) { return send_one(ch, i, how); },
        [&](std::size_t) { value = ch.try_recv(); },
        [&](std::size_t i, bool sent) { return sent ? value == i : !value.has_value(); });
}

TEST_CASE("a frame that is destroyed while it waits leaves the channel as it was") {
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        auto receives = [](channel<std::unique_ptr<int>>& from) -> test_support::orphan {
            (void)co_await from.recv();
        };
        auto sends = [](channel<std::unique_ptr<int>>& to) -> test_support::orphan {
            co_await to.send(std::make_unique<int>(1));
        };
        channel<std::unique_ptr<int>> ch(0);
        test_support::orphan receiver = receives(ch);
        co_await settle();
        receiver.destroy();
        CHECK_FALSE(ch.try_send(std::make_unique<int>(2)));
        test_support::orphan sender = sends(ch);
        co_await settle();
        sender.destroy();
        CHECK_FALSE(ch.try_recv());
    };
    sync_wait(rt, parent());
}

TEST_CASE("the runtime's end stops who waits at a channel, which serves the next runtime") {
    channel<int> ch(1);
    stop_source unused;
    std::vector<std::optional<int>> values(4);
    std::vector<std::atomic<end>> received(4);
    std::vector<std::atomic<end>> sent(4);
    channel<int> full(1);
    CHECK(full.try_send(0));
    {
        runtime rt(runtime_options{}.threads(2));
        for (std::size_t i = 0; i < 4; ++i) {
            if (i % 2 == 0) {
                spawn(rt, receive_one(ch, values[i], received[i])).detach();
                spawn(rt, send_one(full, 1, sent[i])).detach();
            } else {
                spawn(rt, with_stop(unused.get_token(), receive_one(ch, values[i], received[i])))
                    .detach();
                spawn(rt, with_stop(unused.get_token(), send_one(full, 1, sent[i]))).detach();
            }
        }
    }
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(received[i].load() == end::canceled);
        CHECK(sent[i].load() == end::canceled);
    }
    CHECK(full.size() == 1);
    runtime rt(runtime_options{}.threads(1));
    std::optional<int> value;
    std::atomic<end> how{end::none};
    auto receiver = spawn(rt, receive_one(ch, value, how));
    CHECK(ch.try_send(7));
    sync_wait(rt, receiver);
    CHECK(value == 7);
}

TEST_CASE("a channel connects tasks of two runtimes, each goes on on its own") {
    runtime first(runtime_options{}.threads(2));
    runtime second(runtime_options{}.threads(2));
    channel<int> ch(2);
    std::atomic<int> wrong{0};
    const int count = static_cast<int>(testing::scaled(5'000));
    auto sends = [&]() -> task<> {
        for (int i = 0; i < count; ++i) {
            co_await ch.send(i);
            wrong.fetch_add(&runtime::current() == &first ? 0 : 1);
        }
        ch.close();
    };
    auto receives = [&]() -> task<int> {
        int next = 0;
        while (const auto value = co_await ch.recv()) {
            wrong.fetch_add(*value == next && &runtime::current() == &second ? 0 : 1);
            ++next;
        }
        co_return next;
    };
    auto sender = spawn(first, sends());
    CHECK(sync_wait(second, receives()) == count);
    sync_wait(first, sender);
    CHECK(wrong.load() == 0);
}

TEST_CASE("a task woken by one that then computes for long is not left waiting for it") {
    runtime rt(runtime_options{}.threads(2));
    channel<int> there(4);
    channel<int> back(4);
    std::atomic<bool> answered{false};
    auto echoes = [&]() -> task<> {
        while (const auto value = co_await there.recv()) {
            answered.store(*value < 0);
            if (*value >= 0) {
                co_await back.send(*value);
            }
        }
    };
    auto asks = [&]() -> task<> {
        for (int i = 0; i < 5'000; ++i) { // so that the worker has seen short runs only
            co_await there.send(i);
            (void)co_await back.recv();
        }
        co_await there.send(-1);
        test_support::wait_until([&] { return answered.load(); }); // holds the worker
        there.close();
    };
    auto echo = spawn(rt, echoes());
    sync_wait(rt, asks());
    sync_wait(rt, echo);
    CHECK(answered.load());
}

TEST_CASE("hidden: destroy a channel that tasks wait for", "[.]") {
    testing::expect_death();
    runtime rt(one_worker());
    auto parent = []() -> task<> {
        std::optional<channel<int>> ch(std::in_place, 1);
        std::optional<int> value;
        std::atomic<end> how{end::none};
        auto waiter = spawn(receive_one(*ch, value, how));
        co_await settle();
        ch.reset();
        co_await waiter;
    };
    sync_wait(rt, parent());
}

TEST_CASE("destroying a channel that tasks wait for ends the program with a sentence") {
    CHECK(testing::dies_with(
        "hidden: destroy a channel that tasks wait for",
        "aloft: a synchronisation object was destroyed while tasks wait for it"));
}

// SPDX-License-Identifier: MIT
// What users of cppcoro and libcoro rely on and no other test here shows; the list of all of it is
// examples/migration/README.md.
#include <aloft/aloft.hpp>

#include "helpers/counted.hpp"
#include "helpers/scale.hpp"

#include <support/sockets.hpp>
#include <support/temporary_directory.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace aloft;
using namespace std::chrono_literals;
using test_support::wait_until;
using testing::counted;
using testing::scaled;

namespace {

struct counts_moves {
    static inline int copies = 0;
    static inline int moves = 0;
    static void reset() { copies = moves = 0; }

    counts_moves() noexcept = default;
    explicit counts_moves(int v) noexcept : value(v) {}
    counts_moves(const counts_moves& other) noexcept : value(other.value) { ++copies; }
    counts_moves(counts_moves&& other) noexcept : value(std::exchange(other.value, 0)) { ++moves; }
    counts_moves& operator=(const counts_moves&) = delete;
    counts_moves& operator=(counts_moves&&) = delete;
    ~counts_moves() = default;

    int value = 0;
};

struct only_copied {
    explicit only_copied(int v) noexcept : value(v) {}
    only_copied(const only_copied&) = default;
    only_copied(only_copied&&) = delete;
    only_copied& operator=(const only_copied&) = delete;
    only_copied& operator=(only_copied&&) = delete;
    ~only_copied() = default;

    int value;
};

struct only_moved {
    explicit only_moved(int v) noexcept : value(v) {}
    only_moved(const only_moved&) = delete;
    only_moved(only_moved&&) = default;
    only_moved& operator=(const only_moved&) = delete;
    only_moved& operator=(only_moved&&) = delete;
    ~only_moved() = default;

    int value;
};

task<int> give(int value) {
    co_return value;
}

template <class T>
shared_task<T> give_behind(event& ready, T value) {
    co_await ready.wait();
    co_return static_cast<T>(value);
}

task<> set_in_turn(event& first, event& second) {
    first.set();
    co_await yield();
    second.set();
}

} // namespace

// ---- tasks ------------------------------------------------------------------------------------

TEST_CASE("a parameter by value is copied once, and moved at most once, into the task") {
    counts_moves::reset();
    const auto use = [](counts_moves parameter) -> task<int> { co_return parameter.value; };
    const counts_moves argument(3);
    task<int> t = use(argument);
    CHECK(counts_moves::copies == 1);
    CHECK(counts_moves::moves <= 1);
    CHECK(sync_wait(std::move(t)) == 3);
    CHECK(counts_moves::copies == 1);
}

TEST_CASE("a result is moved into the task's frame and out of it, and no further") {
    const auto make = []() -> task<counts_moves> {
        counts_moves local(3);
        co_return local;
    };
    counts_moves::reset();
    const counts_moves waited = sync_wait(make());
    CHECK(waited.value == 3);
    CHECK(counts_moves::moves == 2);
    CHECK(counts_moves::copies == 0);

    const auto in_place = []() -> task<counts_moves> { co_return 4; };
    counts_moves::reset();
    const counts_moves made = sync_wait(in_place());
    CHECK(made.value == 4);
    CHECK(counts_moves::moves == 1);
    CHECK(counts_moves::copies == 0);
}

TEST_CASE("values that cannot be assigned, or only be copied, come out of tasks") {
    const auto moved = [](only_moved parameter) -> task<only_moved> {
        co_return std::move(parameter);
    };
    CHECK(sync_wait(moved(only_moved(1))).value == 1);

    const auto copied = []() -> task<only_copied> { co_return 2; };
    CHECK(sync_wait(copied()).value == 2);
    const auto copied_object = []() -> task<only_copied> {
        const only_copied local(3);
        co_return local;
    };
    CHECK(sync_wait(copied_object()).value == 3);
    const auto copied_temporary = []() -> task<only_copied> { co_return only_copied(4); };
    const auto through = [&copied_temporary]() -> task<int> {
        const only_copied got = co_await copied_temporary();
        co_return got.value;
    };
    CHECK(sync_wait(through()) == 4);
}

TEST_CASE("awaitables may give what cannot be moved, or constants") {
    struct gives_copied : std::suspend_never {
        [[nodiscard]] only_copied await_resume() const { return only_copied(1); }
    };
    struct gives_constant : std::suspend_never {
        [[nodiscard]] const only_copied await_resume() const { return only_copied(2); }
    };
    struct gives_moved : std::suspend_never {
        [[nodiscard]] only_moved await_resume() const { return only_moved(3); }
    };
    CHECK(sync_wait(gives_copied()).value == 1);
    CHECK(sync_wait(gives_constant()).value == 2);
    CHECK(sync_wait(gives_moved()).value == 3);
}

TEST_CASE("a task returns braces, and a reference through std::ref") {
    const auto braces = []() -> task<std::tuple<int, std::string>> { co_return {1, "two"}; };
    CHECK(sync_wait(braces()) == std::tuple(1, std::string("two")));
    int object = 3;
    const auto reference = [](int& o) -> task<int&> { co_return std::ref(o); };
    CHECK(&sync_wait(reference(object)) == &object);
    const auto constant = [](int& o) -> task<const int&> { co_return std::cref(o); };
    CHECK(&sync_wait(constant(object)) == &object);
}

TEST_CASE("a task may fail behind a suspension") {
    const auto fails = []() -> task<int> {
        co_await yield();
        throw std::runtime_error("behind");
        co_return 1;
    };
    CHECK_THROWS_AS(sync_wait(fails()), std::runtime_error);
}

TEST_CASE("each task spawns the next, a long way") {
    const std::size_t count = scaled(200'000);
    std::atomic<std::size_t> begun{0};
    {
        runtime rt(runtime_options{}.threads(2));
        std::function<task<>(std::size_t)> next = [&](std::size_t left) -> task<> {
            ++begun;
            if (left > 1) {
                spawn(next(left - 1)).detach();
            }
            co_return;
        };
        sync_wait(rt, next(count));
        wait_until([&] { return begun.load() == count; });
    }
    CHECK(begun == count);
}

TEST_CASE("detached tasks have all run when their runtime is gone") {
    const std::size_t count = scaled(100'000);
    std::atomic<std::size_t> ended{0};
    const auto one = [](std::atomic<std::size_t>& number) -> task<> {
        ++number;
        co_return;
    };
    {
        runtime rt(runtime_options{}.threads(1));
        for (std::size_t i = 0; i < count; ++i) {
            spawn(rt, one(ended)).detach();
        }
    }
    CHECK(ended == count);
}

// ---- several at once --------------------------------------------------------------------------

TEST_CASE("when_all and when_any take what locks, events and channels give") {
    const auto use = []() -> task<> {
        event ready;
        ready.set();
        mutex m;
        channel<int> numbers(1);
        CHECK(numbers.try_send(42));
        auto [nothing, guard, number, value] =
            co_await when_all(ready.wait(), m.lock(), numbers.recv(), give(3));
        (void)nothing;
        CHECK(guard.owns_lock());
        CHECK_FALSE(m.try_lock());
        CHECK(number == 42);
        CHECK(value == 3);
        const auto first = co_await when_any(numbers.recv(), ready.wait());
        CHECK(first.index == 1);
    };
    sync_wait(use());
}

TEST_CASE("when_all begins nothing before it is awaited, and ends with its last child") {
    event first;
    event second;
    std::atomic<int> begun{0};
    std::atomic<bool> ended{false};
    const auto child = [](std::atomic<int>& count, event& ready) -> task<> {
        ++count;
        co_await ready.wait();
    };
    const auto parent = [&]() -> task<> {
        std::vector<task<>> children;
        children.push_back(child(begun, first));
        children.push_back(child(begun, second));
        children.push_back(child(begun, first));
        auto all = when_all(std::move(children));
        CHECK(begun == 0);
        co_await all;
        ended = true;
    };
    auto handle = spawn(parent());
    wait_until([&] { return begun.load() == 3; });
    first.set();
    CHECK_FALSE(ended.load()); // the second child still waits
    second.set();
    sync_wait(std::move(handle));
    CHECK(ended.load());
}

TEST_CASE("when_all joins shared tasks beside tasks, and vectors of them") {
    event first;
    event second;
    static int one = 1;
    static int two = 2;
    const auto use = [&]() -> task<> {
        auto [number, text, nothing] = co_await when_all(
            give(1), give_behind<std::string>(first, "shared"), set_in_turn(first, second));
        (void)nothing;
        CHECK(number == 1);
        CHECK(text == "shared");

        std::vector<shared_task<int>> values;
        values.push_back(give_behind<int>(first, 1));
        values.push_back(give_behind<int>(second, 2));
        const std::vector<int> got = co_await when_all(std::move(values));
        CHECK(got == std::vector{1, 2});

        std::vector<shared_task<int&>> references;
        references.push_back(give_behind<int&>(second, one));
        references.push_back(give_behind<int&>(first, two));
        const std::vector<std::reference_wrapper<int>> refer =
            co_await when_all(std::move(references));
        CHECK(&refer[0].get() == &one);
        CHECK(&refer[1].get() == &two);

        const auto settled = co_await when_all_settled(give_behind<int>(first, 5), give(6));
        CHECK(std::get<0>(settled).value() + std::get<1>(settled).value() == 11);
    };
    sync_wait(use());
}

TEST_CASE("awaits of shared tasks that end at once do not grow the stack") {
    const auto one = []() -> shared_task<int> { co_return 1; };
    const auto sum_up = [&one](std::size_t count) -> task<std::size_t> {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < count; ++i) {
            sum += static_cast<std::size_t>(co_await one());
        }
        co_return sum;
    };
    const std::size_t count = scaled(300'000);
    CHECK(sync_wait(sum_up(count)) == count);
}

TEST_CASE("a task that becomes a shared_task begins when it is first awaited, and once") {
    std::atomic<int> runs{0};
    const auto work = [](std::atomic<int>& count) -> task<> {
        ++count;
        co_return;
    };
    const shared_task<> shared = work(runs);
    CHECK_FALSE(shared.done());
    CHECK(runs == 0);
    const auto use = [](shared_task<> copy) -> task<> { co_await copy; };
    sync_wait(use(shared));
    CHECK(shared.done());
    sync_wait(use(shared));
    CHECK(runs == 1);
}

TEST_CASE("a shared result goes with the last copy of its shared_task") {
    const long before = counted::alive();
    {
        const auto make = []() -> shared_task<counted> { co_return counted(3); };
        auto first = std::make_unique<shared_task<counted>>(make());
        const shared_task<counted> second = *first;
        CHECK(counted::alive() == before);
        const auto use = [](shared_task<counted> copy) -> task<int> {
            const counted& value = co_await copy;
            co_return value.number();
        };
        CHECK(sync_wait(use(*first)) == 3);
        first.reset();
        CHECK(counted::alive() == before + 1);
        CHECK(sync_wait(use(second)) == 3);
    }
    wait_until([&] { return counted::alive() == before; });
}

TEST_CASE("a group without tasks ends with its body, and a full one behind all of them") {
    const auto nothing = [](task_group&) -> task<int> { co_return 1; };
    CHECK(sync_wait(with_task_group(nothing)) == 1);
    std::atomic<int> ended{0};
    const auto a_thousand = [&ended](task_group& group) -> task<> {
        for (int i = 0; i < 1000; ++i) {
            group.spawn([&ended] { ++ended; });
        }
        co_return;
    };
    sync_wait(with_task_group(a_thousand));
    CHECK(ended == 1000);
}

// ---- generators -------------------------------------------------------------------------------

namespace {

template <class First, class Second>
generator<char> joined(First first, Second second) {
    for (char& c : first) {
        co_yield c;
    }
    for (char& c : second) {
        co_yield c;
    }
}

/// Temporaries move in; what has a name is referred to.
template <class First, class Second>
generator<char> concat(First&& first, Second&& second) {
    return joined<First, Second>(std::forward<First>(first), std::forward<Second>(second));
}

} // namespace

TEST_CASE("generators give values, constants and references as their type says") {
    static_assert(std::is_same_v<generator<int>::reference, int&>);
    static_assert(std::is_same_v<generator<const int>::reference, const int&>);
    static_assert(std::is_same_v<generator<int&>::reference, int&>);
    static_assert(std::is_same_v<generator<const int&>::reference, const int&>);
    static_assert(std::is_same_v<generator<int&&>::reference, int&&>);
    static_assert(std::is_same_v<generator<const int&&>::reference, const int&&>);

    const auto fibonacci = []() -> generator<const long> {
        long a = 0;
        long b = 1;
        for (;;) {
            co_yield b;
            b += std::exchange(a, b);
        }
    };
    int count = 0;
    for (const long number : fibonacci()) {
        if (number > 1'000'000) {
            break;
        }
        ++count;
    }
    CHECK(count == 30);

    float value = 1;
    const auto reference = [](float& v) -> generator<float&> { co_yield v; };
    for (float& each : reference(value)) {
        CHECK(&each == &value);
        each += 1;
    }
    CHECK(value == 2);

    const auto temporary = []() -> generator<std::string&&> { co_yield std::string("moved"); };
    for (std::string&& each : temporary()) {
        const std::string mine = std::move(each);
        CHECK(mine == "moved");
    }
}

TEST_CASE("a generator keeps what it was given, and refers to what has a name") {
    std::string named = "bar";
    auto all = concat(std::string("foo"), concat(named, std::vector<char>{'b', 'a', 'z'}));
    named = "buzz";
    std::string text;
    for (const char c : all) {
        text += c;
    }
    CHECK(text == "foobuzzbaz");
}

TEST_CASE("an async_generator and its consumer wait in turn") {
    event first;
    event second;
    event last;
    event consumer_goes_on;
    std::atomic<int> seen{0};
    const auto produce = [&]() -> async_generator<int> {
        co_await first.wait();
        co_yield 1;
        co_await second.wait();
        co_yield 2;
        co_await last.wait();
    };
    const auto consume = [&]() -> task<int> {
        auto numbers = produce();
        auto i = co_await numbers.begin();
        int sum = *i;
        ++seen;
        co_await ++i;
        sum += *i;
        ++seen;
        co_await consumer_goes_on.wait();
        co_await ++i;
        co_return i == numbers.end() ? sum : -1;
    };
    auto consumer = spawn(consume());
    first.set();
    wait_until([&] { return seen.load() == 1; });
    second.set();
    wait_until([&] { return seen.load() == 2; });
    consumer_goes_on.set();
    CHECK_FALSE(consumer.done()); // the producer still waits
    last.set();
    CHECK(sync_wait(std::move(consumer)) == 3);
}

TEST_CASE("a long async_generator that waits in the middle does not grow the stack") {
    const int count = static_cast<int>(scaled(500'000));
    event middle;
    std::atomic<bool> waits{false};
    const auto numbers = [&](int end) -> async_generator<int> {
        for (int i = 0; i < end; ++i) {
            if (i == end / 2) {
                waits = true;
                co_await middle.wait();
            }
            co_yield i;
        }
    };
    const auto consume = [](async_generator<int> all) -> task<int> {
        int expected = 0;
        while (const int* number = co_await all.next()) {
            if (*number != expected) {
                co_return -1;
            }
            ++expected;
        }
        co_return expected;
    };
    auto consumer = spawn(consume(numbers(count)));
    wait_until([&] { return waits.load(); });
    middle.set(); // from here on the producer drives
    CHECK(sync_wait(std::move(consumer)) == count);
}

// ---- stopping ---------------------------------------------------------------------------------

TEST_CASE("every one of many callbacks is called once") {
    stop_source source;
    int calls = 0;
    const auto count = [&calls]() noexcept { ++calls; };
    std::list<stop_callback<decltype(count)>> callbacks;
    for (int i = 0; i < 100; ++i) {
        callbacks.emplace_back(source.get_token(), count);
    }
    source.request_stop();
    CHECK(calls == 100);
    callbacks.emplace_back(source.get_token(), count); // too late: at once
    CHECK(calls == 101);
}

TEST_CASE("callbacks come and go on several threads while stop is requested") {
    for (std::size_t round = 0; round < scaled(20); ++round) {
        stop_source source;
        std::atomic<int> registering{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                std::atomic<bool> called{false};
                ++registering;
                while (!called.load()) {
                    const stop_callback tells(source.get_token(), [&called] { called = true; });
                    const stop_callback other(source.get_token(), [] {});
                    const stop_callback another(source.get_token(), [] {});
                }
            });
        }
        wait_until([&] { return registering.load() == 3; });
        source.request_stop();
        for (std::thread& each : threads) {
            each.join();
        }
        CHECK(source.stop_requested());
    }
}

TEST_CASE("a token stops a task that reads a file over and over") {
    const test_support::temporary_directory directory;
    const auto path = (directory / "long").string();
    sync_wait(write_file(path, std::string(64 * 1024, 'x')));
    stop_source source;
    std::atomic<int> reads{0};
    const auto read_on = [&]() -> task<> {
        const file f = co_await file::open(path);
        std::array<char, 4096> buffer{};
        for (;;) {
            (void)co_await f.read_at(0, std::span(buffer));
            ++reads;
        }
    };
    std::thread stopper([&] {
        wait_until([&] { return reads.load() > 100; });
        source.request_stop();
    });
    try {
        sync_wait(with_stop(source.get_token(), read_on()));
        FAIL("it ended by itself");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::operation_canceled);
    }
    stopper.join();
}

TEST_CASE("the consumers of a semaphore are stopped when all has been consumed") {
    const std::size_t count = scaled(20'000);
    semaphore items(0);
    std::atomic<std::size_t> consumed{0};
    const auto consume = [&]() -> task<> {
        for (;;) {
            co_await items.acquire();
            ++consumed;
        }
    };
    const auto body = [&](task_group& group) -> task<> {
        for (int i = 0; i < 16; ++i) {
            group.spawn([&]() -> task<> { // being stopped is no failure here
                (void)co_await as_result(consume());
            });
        }
        for (std::size_t i = 0; i < count; ++i) {
            items.release();
        }
        while (consumed.load() < count) {
            co_await yield();
        }
        group.request_stop();
    };
    sync_wait(with_task_group(body));
    CHECK(consumed == count);
    CHECK_FALSE(items.try_acquire());
}

// ---- waiting ----------------------------------------------------------------------------------

TEST_CASE("a task waits for one event after the other, in whatever order they are set") {
    std::array<event, 3> events;
    std::atomic<int> passed{0};
    const auto wait = [&]() -> task<> {
        for (event& each : events) {
            co_await each.wait();
            ++passed;
        }
    };
    const auto set = [](event& e) -> task<> {
        e.set();
        co_return;
    };
    sync_wait(when_all(wait(), set(events[2]), set(events[0]), set(events[1])));
    CHECK(passed == 3);
}

TEST_CASE("an event resumes its waiters again after a reset") {
    event ready;
    const auto wait = [](event& e) -> task<int> {
        co_await e.wait();
        co_return 42;
    };
    for (int round = 0; round < 3; ++round) {
        auto waiter = spawn(wait(ready));
        CHECK_FALSE(ready.is_set());
        ready.set();
        CHECK(sync_wait(std::move(waiter)) == 42);
        ready.reset();
    }
}

// ---- the network ------------------------------------------------------------------------------

TEST_CASE("a read with a time limit ends, and the connection goes on") {
    const auto pair = test_support::tcp_pair();
    const auto use = [&]() -> task<> {
        std::array<char, 5> buffer{};
        const auto late =
            co_await as_result(with_timeout(5ms, pair.near.read_some(std::span(buffer))));
        CHECK_FALSE(late);
        CHECK(late.error() == std::errc::timed_out);
        co_await pair.far.write_all("hello");
        co_await with_timeout(1h, pair.near.read_exact(std::span(buffer)));
        CHECK(std::string(buffer.data(), buffer.size()) == "hello");
    };
    sync_wait(use());
}

TEST_CASE("a group serves connections until a token stops its accept loop") {
    auto listener = tcp_listener::bind(endpoint::loopback(0));
    const auto echo = [](tcp_stream stream) -> task<> {
        std::array<char, 64> buffer{};
        while (const std::size_t got = co_await stream.read_some(std::span(buffer))) {
            co_await stream.write_all(std::string_view(buffer.data(), got));
        }
    };
    const auto accept_all = [&](task_group& group) -> task<int> {
        int accepted = 0;
        for (;;) {
            auto stream = co_await as_result(listener.accept());
            if (!stream) {
                co_return accepted;
            }
            ++accepted;
            group.spawn(echo(std::move(*stream)));
        }
    };
    const auto serve = [&](stop_source& stop) -> task<int> {
        // Only the accept loop is stopped; the group then waits for its connections.
        const auto body = [&](task_group& group) -> task<int> {
            co_return co_await with_stop(stop.get_token(), accept_all(group));
        };
        co_return co_await with_task_group(body);
    };
    std::atomic<int> right{0}; // they run on several threads, where nothing may be asserted
    const auto client = [&right](endpoint server) -> task<> {
        tcp_stream stream = co_await tcp_stream::connect(server);
        const std::string sent(1000, 'a');
        std::string got(sent.size(), ' ');
        const auto send = [](tcp_stream& to, const std::string& text) -> task<> {
            co_await to.write_all(text);
        };
        const auto receive = [](tcp_stream& from, std::string& text) -> task<> {
            co_await from.read_exact(text);
        };
        co_await when_all(send(stream, sent), receive(stream, got));
        right.fetch_add(got == sent ? 1 : 0);
    };
    stop_source stop;
    const auto clients = [&]() -> task<> {
        std::vector<task<>> all;
        for (int i = 0; i < 20; ++i) {
            all.push_back(client(listener.local_endpoint()));
        }
        co_await when_all(std::move(all));
        stop.request_stop();
    };
    const auto [accepted, nothing] = sync_wait(when_all(serve(stop), clients()));
    (void)nothing;
    CHECK(accepted == 20);
    CHECK(right == 20);
}

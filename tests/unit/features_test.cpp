// SPDX-License-Identifier: MIT
// One short program for each row of README.md, "Beside others": the test case has the row's name. The
// test readme_features compares the two.
#include <aloft/aloft.hpp>
#include <aloft/std_stop_token.hpp>
#include <aloft/to_future.hpp>

#include <support/sockets.hpp>
#include <support/temporary_directory.hpp>
#include <support/wait_until.hpp>

#include <catch2/catch_test_macros.hpp>

#if !defined(_WIN32)
#include <signal.h>
#include <unistd.h>
#endif

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <variant>
#include <vector>

using namespace aloft;
using namespace std::chrono_literals;
using test_support::wait_until;

namespace {

task<int> give(int value) {
    co_return value;
}

task<int> give_after(std::chrono::milliseconds time, int value) {
    co_await sleep_for(time);
    co_return value;
}

task<int> fail(const char* why) {
    throw std::runtime_error(why);
    co_return 0;
}

template <class Awaitable>
std::error_code error_of(Awaitable&& awaitable) {
    try {
        static_cast<void>(sync_wait(std::forward<Awaitable>(awaitable)));
    } catch (const std::system_error& error) {
        return error.code();
    }
    return {};
}

} // namespace

TEST_CASE("lazy task") {
    bool ran = false;
    const auto work = [](bool& here) -> task<int> {
        here = true;
        co_return 42;
    };
    task<int> t = work(ran);
    CHECK_FALSE(ran);
    CHECK(sync_wait(std::move(t)) == 42);
}

TEST_CASE("hot task") {
    std::atomic<bool> ran{false};
    join_handle<int> handle = spawn([&ran] {
        ran = true;
        return 42;
    });
    wait_until([&] { return ran.load(); }); // nobody awaits it yet
    CHECK(sync_wait(std::move(handle)) == 42);
}

TEST_CASE("waiting in main") {
    CHECK(sync_wait(give(42)) == 42);
    CHECK_THROWS_AS(sync_wait(fail("no")), std::runtime_error);
}

TEST_CASE("all of several, as a tuple") {
    const auto text = []() -> task<std::string> { co_return "two"; };
    auto [one, two] = sync_wait(when_all(give(1), text()));
    CHECK(one == 1);
    CHECK(two == "two");
}

TEST_CASE("all of a range") {
    std::vector<task<int>> tasks;
    for (int i = 0; i < 100; ++i) {
        tasks.push_back(give(i));
    }
    const std::vector<int> values = sync_wait(when_all(std::move(tasks)));
    CHECK(values.size() == 100);
    CHECK(values[99] == 99);
}

TEST_CASE("a failure stops the others") {
    CHECK_THROWS_AS(sync_wait(when_all(give_after(1h, 1), fail("at once"))), std::runtime_error);
}

TEST_CASE("first of several, the losers stopped and joined") {
    std::atomic<bool> loser_ended{false};
    const auto loser = [](std::atomic<bool>& ended) -> task<int> {
        const auto slept = co_await as_result(sleep_for(1h));
        ended = true;
        co_return slept ? 1 : 2;
    };
    const auto [index, value] = sync_wait(when_any(loser(loser_ended), give(42)));
    CHECK(index == 1);
    CHECK(value == 42);
    CHECK(loser_ended.load());
}

TEST_CASE("results in the order of the ends") {
    const auto order = []() -> task<std::vector<int>> {
        completion_source<> late;
        const auto wait_for_it = [](completion_source<> it) -> task<int> {
            co_await it.get();
            co_return 1;
        };
        std::vector<task<int>> tasks;
        tasks.push_back(wait_for_it(late));
        tasks.push_back(give(2));
        auto each = when_each(std::move(tasks));
        std::vector<int> seen;
        while (auto* end = co_await each.next()) {
            seen.push_back(end->result.value());
            if (seen.size() == 1) {
                late.set_value();
            }
        }
        co_return seen;
    };
    CHECK(sync_wait(order()) == std::vector{2, 1});
}

TEST_CASE("every result kept, failures included") {
    auto [good, bad] = sync_wait(when_all_settled(give(42), fail("no")));
    CHECK(good.value() == 42);
    CHECK_THROWS_AS(bad.value(), std::runtime_error);
}

TEST_CASE("a range, at most n at a time") {
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    std::atomic<int> sum{0};
    latch three_are_inside(3);
    const std::vector<int> numbers{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    runtime rt(runtime_options{}.threads(1).spare_workers(0)); // a fourth would get its turn, too
    sync_wait(rt, parallel_for_each(numbers, 3, [&](int number) -> task<> {
                  const int now = ++inside;
                  int before = most.load();
                  while (before < now && !most.compare_exchange_weak(before, now)) {
                  }
                  if (number <= 3) {
                      co_await three_are_inside.arrive_and_wait();
                  }
                  for (int i = 0; i < 10; ++i) {
                      co_await yield();
                  }
                  sum += number;
                  --inside;
              }));
    CHECK(sum == 55);
    CHECK(most == 3);
}

TEST_CASE("scope that joins its tasks, and stops them on an error") {
    std::atomic<int> ended{0};
    const auto sleeper = [](std::atomic<int>& count) -> task<> {
        (void)co_await as_result(sleep_for(1h));
        ++count;
    };
    const auto body = [&](task_group& group) -> task<> {
        group.spawn(sleeper(ended));
        group.spawn(sleeper(ended));
        group.spawn(fail("third"));
        co_return;
    };
    CHECK_THROWS_AS(sync_wait(with_task_group(body)), std::runtime_error);
    CHECK(ended == 2);
}

TEST_CASE("one task, many awaiters") {
    std::atomic<int> runs{0};
    const auto work = [](std::atomic<int>& count) -> shared_task<int> {
        ++count;
        co_await yield();
        co_return 42;
    };
    const shared_task<int> shared = work(runs);
    const auto use = [](shared_task<int> one) -> task<int> { co_return co_await one; };
    auto [a, b] = sync_wait(when_all(use(shared), use(shared)));
    CHECK(a + b == 84);
    CHECK(runs == 1);
}

TEST_CASE("completion source for callbacks") {
    completion_source<int> answer;
    std::thread library([answer] { answer.set_value(42); });
    CHECK(sync_wait(answer.get()) == 42);
    library.join();
}

TEST_CASE("std::future out of a task") {
    std::future<int> future = to_future(give(42));
    CHECK(future.get() == 42);
}

TEST_CASE("errors as values") {
    const result<file> opened = sync_wait(as_result(file::open("/no/such/file")));
    REQUIRE_FALSE(opened);
    CHECK(opened.error() == std::errc::no_such_file_or_directory);
}

TEST_CASE("retry with growing delays") {
    int attempts = 0;
    const int got =
        sync_wait(retry(retry_options{}.attempts(5).first_delay(1ms), [&attempts]() -> task<int> {
            if (++attempts < 3) {
                throw std::runtime_error("not yet");
            }
            co_return 42;
        }));
    CHECK(got == 42);
    CHECK(attempts == 3);
}

TEST_CASE("generator") {
    const auto numbers = [](int end) -> generator<int> {
        for (int i = 0; i < end; ++i) {
            co_yield i;
        }
    };
    int sum = 0;
    for (const int number : numbers(5)) {
        sum += number;
    }
    CHECK(sum == 10);
}

namespace {

generator<int> countdown(int from) {
    if (from > 0) {
        co_yield from;
        co_yield aloft::elements_of(countdown(from - 1));
    }
}

} // namespace

TEST_CASE("recursive generator") {
    std::vector<int> seen;
    for (const int each : countdown(3)) {
        seen.push_back(each);
    }
    CHECK(seen == std::vector{3, 2, 1});
}

TEST_CASE("async generator that may be left early") {
    bool cleaned = false;
    struct cleaner {
        bool& done;
        ~cleaner() { done = true; }
    };
    const auto numbers = [](bool& done) -> async_generator<int> {
        const cleaner at_the_end{done};
        for (int i = 0;; ++i) {
            co_await yield();
            co_yield i;
        }
    };
    const auto use = [&](bool& done) -> task<int> {
        auto all = numbers(done);
        int sum = 0;
        while (const int* number = co_await all.next()) {
            sum += *number;
            if (*number == 4) {
                break;
            }
        }
        co_return sum;
    };
    CHECK(sync_wait(use(cleaned)) == 10);
    CHECK(cleaned);
}

TEST_CASE("mutex held across awaits") {
    mutex m;
    int count = 0;
    const auto add = [](mutex& guarding, int& number) -> task<> {
        const auto guard = co_await guarding.lock();
        const int before = number;
        co_await yield();
        number = before + 1;
    };
    std::vector<task<>> tasks;
    for (int i = 0; i < 100; ++i) {
        tasks.push_back(add(m, count));
    }
    sync_wait(when_all(std::move(tasks)));
    CHECK(count == 100);
}

TEST_CASE("reader-writer mutex") {
    const auto use = []() -> task<> {
        shared_mutex m;
        {
            const auto first = co_await m.lock_shared();
            const auto second = co_await m.lock_shared();
            CHECK_FALSE(m.try_lock());
        }
        const auto writer = co_await m.lock();
        CHECK_FALSE(m.try_lock_shared());
    };
    sync_wait(use());
}

TEST_CASE("semaphore") {
    const auto use = []() -> task<> {
        semaphore permits(2);
        co_await permits.acquire();
        co_await permits.acquire();
        CHECK_FALSE(permits.try_acquire());
        permits.release();
        co_await permits.acquire();
    };
    sync_wait(use());
}

TEST_CASE("manual-reset event") {
    event ready;
    const auto wait = [](event& e) -> task<int> {
        co_await e.wait();
        co_return 1;
    };
    auto first = spawn(wait(ready));
    auto second = spawn(wait(ready));
    ready.set();
    auto [a, b] = sync_wait(when_all(first, second));
    CHECK(a + b == 2);
    CHECK(ready.is_set());
    ready.reset();
    CHECK_FALSE(ready.is_set());
}

TEST_CASE("auto-reset event") {
    const auto use = []() -> task<> {
        auto_event turn;
        turn.set();
        co_await turn.wait();
        CHECK_FALSE(turn.try_wait());
    };
    sync_wait(use());
}

TEST_CASE("latch") {
    latch done(3);
    const auto count_down = [](latch& l) -> task<> {
        l.count_down();
        co_return;
    };
    const auto wait = [](latch& l) -> task<> { co_await l.wait(); };
    sync_wait(when_all(wait(done), count_down(done), count_down(done), count_down(done)));
    CHECK(done.try_wait());
}

TEST_CASE("barrier") {
    std::atomic<int> phases{0};
    auto next_phase = [&phases]() noexcept { ++phases; };
    barrier meeting(2, next_phase);
    const auto party = [](barrier<decltype(next_phase)>& b) -> task<> {
        for (int i = 0; i < 3; ++i) {
            co_await b.arrive_and_wait();
        }
    };
    sync_wait(when_all(party(meeting), party(meeting)));
    CHECK(phases == 3);
}

TEST_CASE("condition variable") {
    mutex m;
    condition_variable changed;
    int items = 0;
    const auto consume = [](mutex& guarding, condition_variable& c, int& number) -> task<> {
        auto guard = co_await guarding.lock();
        co_await c.wait(guard, [&number] { return number > 0; });
        --number;
    };
    const auto produce = [](mutex& guarding, condition_variable& c, int& number) -> task<> {
        const auto guard = co_await guarding.lock();
        ++number;
        c.notify_one();
    };
    sync_wait(when_all(consume(m, changed, items), produce(m, changed, items)));
    CHECK(items == 0);
}

TEST_CASE("run once") {
    once first_use;
    std::atomic<int> runs{0};
    const auto use = [](once& o, std::atomic<int>& count) -> task<> {
        co_await o.call([&count] { ++count; });
    };
    sync_wait(when_all(use(first_use, runs), use(first_use, runs)));
    CHECK(runs == 1);
}

TEST_CASE("lazy value") {
    int runs = 0;
    once_async<std::string> settings([&runs]() -> task<std::string> {
        ++runs;
        co_return "loaded";
    });
    const auto use = [](once_async<std::string>& s) -> task<std::string> {
        const std::string& value = co_await s.get();
        co_return value;
    };
    CHECK(sync_wait(use(settings)) == "loaded");
    CHECK(sync_wait(use(settings)) == "loaded");
    CHECK(runs == 1);
}

namespace {

task<> send_all(channel<int>& to, int count) {
    for (int i = 0; i < count; ++i) {
        co_await to.send(i);
    }
    to.close();
}

task<int> sum_of(channel<int>& from) {
    int sum = 0;
    while (const auto value = co_await from.recv()) {
        sum += *value;
    }
    co_return sum;
}

} // namespace

TEST_CASE("bounded channel") {
    channel<int> numbers(2);
    CHECK(std::get<1>(sync_wait(when_all(send_all(numbers, 10), sum_of(numbers)))) == 45);
}

TEST_CASE("unbounded channel") {
    auto numbers = channel<int>::unbounded();
    sync_wait(send_all(numbers, 1000)); // nobody receives yet
    CHECK(sync_wait(sum_of(numbers)) == 499500);
}

TEST_CASE("rendezvous channel") {
    channel<int> numbers(0);
    CHECK_FALSE(numbers.try_send(1)); // nobody is there to take it
    CHECK(std::get<1>(sync_wait(when_all(send_all(numbers, 10), sum_of(numbers)))) == 45);
}

TEST_CASE("select over receive, send and time") {
    const auto use = []() -> task<> {
        channel<int> empty(1);
        channel<int> full(1);
        CHECK(full.try_send(1));
        const auto first = co_await select(empty.recv(), full.send(2), after(1ms));
        CHECK(first.index() == 2);
        CHECK(empty.try_send(42));
        const auto second = co_await select(empty.recv(), full.send(2), after(1h));
        CHECK(std::get<0>(second) == 42);
        CHECK(full.try_recv() == 1);
        const auto third = co_await select(empty.recv(), full.send(2), after(1h));
        CHECK(third.index() == 1);
        CHECK(full.try_recv() == 2);
    };
    sync_wait(use());
}

TEST_CASE("broadcast channel") {
    const auto use = []() -> task<> {
        broadcast_channel<int> news(4);
        auto one = news.subscribe();
        auto two = news.subscribe();
        CHECK(news.send(42));
        const auto first = co_await one.recv();
        const auto second = co_await two.recv();
        CHECK(first == 42);
        CHECK(second == 42);
    };
    sync_wait(use());
}

TEST_CASE("watch channel") {
    const auto use = []() -> task<> {
        watch_channel<int> level(1);
        auto seen = level.subscribe();
        CHECK(level.send(2));
        CHECK(level.send(3));
        const bool changed = co_await seen.changed();
        CHECK(changed);
        CHECK(seen.get() == 3);
    };
    sync_wait(use());
}

namespace {

thread_local std::size_t allocations = 0;

[[gnu::noinline]] std::size_t count_allocations(std::size_t more) {
    return allocations += more;
}

} // namespace

#if !ALOFT_ASAN // which compares what allocates with what frees
// Not inline: g++ would take the malloc for a mistake.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    count_allocations(1);
    if (void* const memory = std::malloc(bytes)) {
        return memory;
    }
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
#endif

TEST_CASE("stop token that children inherit, without allocation") {
    const auto leaf = []() -> task<bool> {
        const stop_token token = co_await this_task::stop_token();
        co_return token.stop_requested();
    };
    const auto branch = [&leaf]() -> task<bool> { co_return co_await leaf(); };
    const auto use = [&branch]() -> task<> {
        stop_source source;
        source.request_stop();
        const bool inherited = co_await with_stop(source.get_token(), branch());
        CHECK(inherited);

        std::size_t with = 0;
        std::size_t without = 0;
        for (int round = 0; round < 2; ++round) { // the first one fills the frame cache
            std::size_t before = count_allocations(0);
            (void)co_await branch();
            without = count_allocations(0) - before;
            before = count_allocations(0);
            (void)co_await with_stop(source.get_token(), branch());
            with = count_allocations(0) - before;
        }
        CHECK(with == without);
    };
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    sync_wait(rt, use());
}

TEST_CASE("time limit") {
    CHECK(error_of(with_timeout(1ms, give_after(1h, 1))) == std::errc::timed_out);
    CHECK(sync_wait(with_timeout(1h, give(42))) == 42);
}

TEST_CASE("everything that waits can be stopped") {
    const auto stopped = [](auto make) {
        stop_source source;
        source.request_stop();
        CHECK(error_of(with_stop(source.get_token(), make())) == std::errc::operation_canceled);
        CHECK(error_of(with_timeout(1ms, make())) == std::errc::timed_out);
    };
    const auto pair = test_support::unix_pair();
    std::array<char, 1> buffer{};
    mutex m;
    const auto held = m.try_lock();
    semaphore none(0);
    event unset;
    auto_event unset_auto;
    latch closed(1);
    barrier lonely(2);
    channel<int> empty(1);
    completion_source<int> never;
    auto listener = tcp_listener::bind(endpoint::loopback(0));
    auto handle = spawn(never.get());
    stopped([] { return sleep_for(1h); });
    stopped([&] { return pair.near.read_some(std::span(buffer)); });
#if !defined(_WIN32)
    stopped([&] { return poll(pair.near.native_handle(), poll_events::in); });
#endif
    stopped([&] { return listener.accept(); });
    stopped([&] { return m.lock(); });
    stopped([&] { return none.acquire(); });
    stopped([&] { return unset.wait(); });
    stopped([&] { return unset_auto.wait(); });
    stopped([&] { return closed.wait(); });
    stopped([&] { return lonely.arrive_and_wait(); });
    stopped([&] { return empty.recv(); });
    stopped([&] { return select(empty.recv(), after(1h)); });
    stopped([&] { return never.get(); });
    stopped([&]() -> auto& { return handle; });
    never.set_value(1);
    (void)sync_wait(std::move(handle));
}

TEST_CASE("std::stop_token stops a task") {
    std::stop_source source;
    std::thread stopper([&source] { source.request_stop(); });
    CHECK(error_of(with_stop(source.get_token(), sleep_for(1h))) == std::errc::operation_canceled);
    stopper.join();
}

TEST_CASE("sleep") {
    const auto before = std::chrono::steady_clock::now();
    sync_wait(sleep_for(2ms));
    CHECK(std::chrono::steady_clock::now() - before >= 2ms);
}

TEST_CASE("periodic timer") {
    const auto ticks = []() -> task<bool> {
        const auto before = std::chrono::steady_clock::now();
        periodic_timer every(1ms);
        std::uint64_t passed = 0;
        for (int i = 0; i < 3; ++i) {
            passed += co_await every.tick();
        }
        co_return passed >= 3 && std::chrono::steady_clock::now() - before >= 3ms;
    };
    CHECK(sync_wait(ticks()));
}

TEST_CASE("yield to others") {
    const auto takes_turns = [](int& mine, const int& others, int& changes) -> task<> {
        int seen = others;
        while (mine < 100) {
            ++mine;
            co_await yield();
            changes += others != seen ? 1 : 0;
            seen = others;
        }
    };
    runtime rt(runtime_options{}.threads(1).spare_workers(0));
    int first = 0;
    int second = 0;
    int changes = 0;
    sync_wait(rt,
              when_all(takes_turns(first, second, changes), takes_turns(second, first, changes)));
    CHECK(changes > 100); // each saw the other go on behind most of its yields
}

TEST_CASE("blocking calls on threads of their own") {
    runtime rt(runtime_options{}.threads(1));
    std::promise<void> lets_go;
    auto blocking = spawn(rt, offload([&lets_go] { lets_go.get_future().wait(); }));
    CHECK(sync_wait(rt, give(42)) == 42); // the only worker is free
    lets_go.set_value();
    sync_wait(rt, std::move(blocking));
}

TEST_CASE("strand") {
    runtime rt(runtime_options{}.threads(2));
    strand s(rt);
    int count = 0; // no lock and no atomic
    const auto counts = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            ++count;
            co_await yield();
        }
    };
    sync_wait(rt, when_all(run_on(s, counts()), run_on(s, counts())));
    CHECK(count == 200);
}

TEST_CASE("moving to another executor") {
    runtime first(runtime_options{}.threads(1));
    runtime second(runtime_options{}.threads(1));
    const auto where = []() -> task<runtime*> { co_return &runtime::current(); };
    const auto moves = [&]() -> task<bool> {
        runtime* const there = co_await run_on(second, where());
        const bool went = there == &second;
        const bool back = &runtime::current() == &first;
        co_await resume_on(second);
        const bool moved = &runtime::current() == &second;
        co_return went&& back&& moved;
    };
    CHECK(sync_wait(first, moves()));
}

TEST_CASE("priorities") {
    runtime rt(runtime_options{}.threads(1));
    std::atomic<bool> enough{false};
    const auto endless = [&]() -> task<> {
        while (!enough.load()) {
            co_await yield();
        }
    };
    const auto last = [&]() -> task<> {
        co_await yield();
        enough.store(true); // it has its turns, too
    };
    sync_wait(rt, when_all(with_priority(priority::high, endless()),
                           with_priority(priority::background, last())));
    CHECK(enough.load());
}

TEST_CASE("files") {
    const test_support::temporary_directory directory;
    const auto path = (directory / "text").string();
    sync_wait(write_file(path, "hello"));
    CHECK(sync_wait(read_file<std::string>(path)) == "hello");
}

TEST_CASE("TCP") {
    const auto serve = [](tcp_listener& listener) -> task<> {
        tcp_stream stream = co_await listener.accept();
        co_await stream.write_all("hello");
    };
    const auto ask = [](endpoint server) -> task<std::string> {
        tcp_stream stream = co_await tcp_stream::connect(server);
        std::string text(5, ' ');
        co_await stream.read_exact(text);
        co_return text;
    };
    auto listener = tcp_listener::bind(endpoint::loopback(0));
    CHECK(std::get<1>(sync_wait(when_all(serve(listener), ask(listener.local_endpoint())))) ==
          "hello");
}

TEST_CASE("UDP") {
    const auto answer = [](const udp_socket& socket) -> task<> {
        std::array<char, 16> buffer{};
        const datagram question = co_await socket.recv_from(std::span(buffer));
        co_await socket.send_to("pong", question.from);
    };
    const auto ask = [](endpoint server) -> task<std::string> {
        udp_socket socket = udp_socket::bind(endpoint::loopback(0));
        socket.connect(server);
        co_await socket.send("ping");
        std::string text(16, ' ');
        const std::size_t size = co_await socket.recv(std::span<char>(text));
        co_return text.substr(0, size);
    };
    const udp_socket server = udp_socket::bind(endpoint::loopback(0));
    CHECK(std::get<1>(sync_wait(when_all(answer(server), ask(server.local_endpoint())))) == "pong");
}

TEST_CASE("pipes") {
    auto [reader, writer] = aloft::pipe();
    const auto write = [](pipe_writer& to) -> task<> {
        co_await to.write_all("hello");
        to.close();
    };
    const auto read = [](const pipe_reader& from) -> task<std::string> {
        std::string text(5, ' ');
        co_await from.read_exact(text);
        co_return text;
    };
    CHECK(std::get<1>(sync_wait(when_all(write(writer), read(reader)))) == "hello");
}

TEST_CASE("host names") {
    CHECK_FALSE(sync_wait(resolve("localhost", 80)).empty());
}

#if !defined(_WIN32)

TEST_CASE("readiness of foreign descriptors") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    auto readable = spawn(poll(ends[0], poll_events::in));
    CHECK(::write(ends[1], "x", 1) == 1);
    CHECK(any(sync_wait(std::move(readable)) & poll_events::in));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("signals") {
    const signal_set wanted{SIGUSR1};
    ::raise(SIGUSR1);
    CHECK(sync_wait(wanted.wait()) == SIGUSR1);
}

#endif

namespace {

/// What a worker in a long computation does.
task<> compute_until(const std::atomic<bool>& over) {
    wait_until([&] { return over.load(); });
    co_return;
}

} // namespace

TEST_CASE("thread pool that steals work") {
    runtime rt(runtime_options{}.threads(2).spare_workers(0));
    std::atomic<bool> stolen{false};
    const auto thief = [](std::atomic<bool>& done) -> task<> {
        done = true;
        co_return;
    };
    const auto owner = [&thief](std::atomic<bool>& done) -> task<> {
        auto child = spawn(thief(done)); // in this worker's own queue
        wait_until([&] { return done.load(); });
        co_await child;
    };
    sync_wait(rt, owner(stolen));
    CHECK(stolen.load());
}

#if !defined(_WIN32)

namespace {

/// Nothing where the kernel, or who runs this program, denies io_uring.
std::unique_ptr<runtime> try_io_uring() {
    try {
        return std::make_unique<runtime>(runtime_options{}.threads(1).backend(backend::io_uring));
    } catch (const std::system_error&) {
        return nullptr;
    }
}

std::size_t read_one_byte(runtime& rt) {
    const auto pair = test_support::unix_pair();
    std::array<char, 1> buffer{};
    auto reader = spawn(rt, pair.near.read_some(std::span(buffer)));
    CHECK(test_support::plain_send(pair.far.native_handle(), "x", 1));
    return sync_wait(std::move(reader));
}

} // namespace

TEST_CASE("io_uring") {
    const auto rt = try_io_uring();
    if (rt == nullptr) {
        SKIP("io_uring is denied");
    }
    CHECK(rt->backend().starts_with("io_uring"));
    CHECK(read_one_byte(*rt) == 1);
}

TEST_CASE("io_uring or epoll, chosen at run time") {
    runtime chosen(runtime_options{}.threads(1).backend(backend::epoll));
    CHECK(chosen.backend().starts_with("epoll"));
    CHECK(read_one_byte(chosen) == 1);
    runtime automatic(runtime_options{}.threads(1).backend(backend::automatic));
    if (std::getenv("ALOFT_BACKEND") == nullptr) { // else whoever runs this has chosen
        const char* const expected = try_io_uring() != nullptr ? "io_uring" : "epoll";
        CHECK(automatic.backend().starts_with(expected));
    }
    CHECK(read_one_byte(automatic) == 1);
}

#endif

TEST_CASE("a busy worker's completions and timers are taken by others") {
    runtime rt(runtime_options{}.threads(2).spare_workers(0));
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    const auto pair = test_support::unix_pair();
    const auto read = [&]() -> task<> {
        std::array<char, 1> buffer{};
        ++begun;
        (void)co_await pair.near.read_some(std::span(buffer));
        ++ended;
    };
    const auto sleep = [&]() -> task<> {
        ++begun;
        co_await sleep_for(1ms);
        ++ended;
    };
    // The one worker computes until the other has begun both, which then computes until they have
    // ended: it never comes back to its ring and its timers before.
    std::atomic<bool> computes{false};
    const auto first = [&]() -> task<> {
        computes = true;
        wait_until([&] { return begun.load() == 2; });
        co_return;
    };
    const auto second = [&]() -> task<> {
        while (begun.load() < 2) {
            co_await yield();
        }
        CHECK(test_support::plain_send(pair.far.native_handle(), "x", 1));
        wait_until([&] { return ended.load() == 2; });
    };
    const auto all = [&]() -> task<> { co_await when_all(read(), sleep(), second()); };
    auto one = spawn(rt, first());
    wait_until([&] { return computes.load(); });
    sync_wait(rt, all());
    sync_wait(rt, std::move(one));
    CHECK(ended == 2);
}

TEST_CASE("spare workers beside long computations") {
    runtime rt(runtime_options{}.threads(1));
    std::atomic<bool> over{false};
    auto hog = spawn(rt, compute_until(over));
    CHECK(sync_wait(rt, give_after(1ms, 42)) == 42); // though the only worker computes
    over = true;
    sync_wait(rt, std::move(hog));
}

TEST_CASE("task-local values") {
    static task_local<int> request(0);
    const auto leaf = []() -> task<int> { co_return co_await request.get(); };
    const auto branch = [&leaf]() -> task<int> {
        auto [a, b] = co_await when_all(leaf(), leaf());
        co_return a + b;
    };
    CHECK(sync_wait(request.with(21, branch())) == 42);
    CHECK(sync_wait(branch()) == 0);
}

TEST_CASE("virtual time") {
    const auto wait_for_a_day = []() -> task<std::chrono::nanoseconds> {
        const auto before = aloft::clock::now();
        co_await sleep_for(24h);
        co_return aloft::clock::now() - before;
    };
    CHECK(simulate(1, simulation_options{}, wait_for_a_day) >= 24h); // at once
}

TEST_CASE("a world in memory where a seed decides the order") {
    const auto main = []() -> task<std::vector<int>> {
        std::vector<int> order;
        const auto note = [](std::vector<int>& all, int who) -> task<> {
            co_await yield();
            all.push_back(who);
        };
        std::vector<task<>> tasks;
        for (int i = 0; i < 10; ++i) {
            tasks.push_back(note(order, i));
        }
        co_await when_all(std::move(tasks));
        co_return order;
    };
    const std::vector<int> first = simulate(1, simulation_options{}, main);
    CHECK(simulate(1, simulation_options{}, main) == first);
    CHECK(simulate(2, simulation_options{}, main) != first);
}

#if !defined(_WIN32)

TEST_CASE("compile-time warning of dangling arguments") {
    const std::string compiler = ALOFT_CLANG_19_PATH;
    if (compiler.empty()) {
        SKIP("clang 19 is not there");
    }
    const test_support::temporary_directory directory;
    const auto said = (directory / "said").string();
    const std::string command = compiler + " -std=c++20 -fsyntax-only -Wall -Werror " +
                                "-DALOFT_CHECK_LIFETIMES=1 -I " ALOFT_SOURCE_DIR "/include " +
                                ALOFT_SOURCE_DIR "/tests/must_fail/dangling_argument.cpp 2>" + said;
    CHECK(std::system(command.c_str()) != 0);
    CHECK(sync_wait(read_file<std::string>(said)).find("temporary whose address is used") !=
          std::string::npos);
}

#endif

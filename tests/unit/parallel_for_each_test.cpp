// SPDX-License-Identifier: MIT
// parallel_for_each and retry: bounded, with back-pressure, and no attempt or element too many.
#include <aloft/as_result.hpp>
#include <aloft/async_generator.hpp>
#include <aloft/generator.hpp>
#include <aloft/parallel_for_each.hpp>
#include <aloft/retry.hpp>
#include <aloft/runtime.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <limits>
#include <list>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using aloft::async_generator;
using aloft::generator;
using aloft::parallel_for_each;
using aloft::retry;
using aloft::retry_options;
using aloft::runtime;
using aloft::runtime_options;
using aloft::sync_wait;
using aloft::task;

namespace {

/// std::views::iota; what the standard library has is too much for clang 14.
template <class T>
struct counting {
    class iterator {
    public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        explicit iterator(T at) : at_(at) {}
        T operator*() const { return at_; }
        iterator& operator++() {
            ++at_;
            return *this;
        }
        void operator++(int) { ++at_; }
        friend bool operator==(const iterator&, const iterator&) = default;

    private:
        T at_;
    };
    iterator begin() const { return iterator(first); }
    iterator end() const { return iterator(last); }

    T first;
    T last;
    explicit counting(T from, T to = std::numeric_limits<T>::max()) : first(from), last(to) {}
};

struct meter {
    std::atomic<int> in_flight{0};
    std::atomic<int> most{0};
    std::atomic<long> sum{0};
    std::atomic<int> calls{0};

    task<void> take(long value) {
        const int now = in_flight.fetch_add(1) + 1;
        int before = most.load();
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        calls.fetch_add(1);
        sum.fetch_add(value);
        co_await aloft::yield();
        co_await aloft::sleep_for(100us);
        in_flight.fetch_sub(1);
    }
};

} // namespace

TEST_CASE("every element is taken once, and never more than allowed are in flight") {
    runtime rt(runtime_options{}.threads(2));
    meter m;
    std::vector<long> values(1000);
    std::iota(values.begin(), values.end(), 0);
    SECTION("a container, by reference") {
        sync_wait(rt, parallel_for_each(values, 8, [&](long& v) { return m.take(v); }));
    }
    SECTION("a temporary container") {
        sync_wait(rt, parallel_for_each(std::vector<long>(values), 8,
                                        [&](const long& v) { return m.take(v); }));
    }
    SECTION("a list") {
        std::list<long> list(values.begin(), values.end());
        sync_wait(rt, parallel_for_each(list, 8, [&](long v) { return m.take(v); }));
    }
    SECTION("a view that makes its values") {
        sync_wait(rt,
                  parallel_for_each(counting<long>(0, 1000), 8, [&](long v) { return m.take(v); }));
    }
    SECTION("a generator") {
        const auto source = []() -> generator<long> {
            for (long i = 0; i < 1000; ++i) {
                co_yield i;
            }
        };
        sync_wait(rt, parallel_for_each(source(), 8, [&](long v) { return m.take(v); }));
    }
    SECTION("an async_generator") {
        const auto source = []() -> async_generator<long> {
            for (long i = 0; i < 1000; ++i) {
                co_await aloft::yield();
                co_yield i;
            }
        };
        sync_wait(rt, parallel_for_each(source(), 8, [&](long v) { return m.take(v); }));
    }
    CHECK(m.calls.load() == 1000);
    CHECK(m.sum.load() == 999L * 1000 / 2);
    CHECK(m.most.load() <= 8);
    CHECK(m.most.load() >= 2);
    CHECK(m.in_flight.load() == 0);
}

TEST_CASE("the range is stepped only when there is room for an element") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> made{0};
    std::atomic<int> ended{0};
    std::atomic<int> most_ahead{0};
    const auto source = [&]() -> generator<int> {
        for (int i = 0; i < 200; ++i) {
            made.fetch_add(1);
            most_ahead.store(std::max(most_ahead.load(), made.load() - ended.load()));
            co_yield i;
        }
    };
    sync_wait(rt, parallel_for_each(source(), 3, [&](int) -> task<void> {
                  co_await aloft::yield();
                  ended.fetch_add(1);
              }));
    CHECK(ended.load() == 200);
    CHECK(most_ahead.load() <= 3);
}

TEST_CASE("the first failure stops what is in flight, and nothing more is taken") {
    runtime rt(runtime_options{}.threads(2));
    std::atomic<int> calls{0};
    std::atomic<int> stopped{0};
    const auto work = [&](int i) -> task<void> {
        calls.fetch_add(1);
        if (i == 3) {
            co_await aloft::sleep_for(1ms);
            throw std::runtime_error("three");
        }
        if (!co_await aloft::as_result(aloft::sleep_for(1h))) {
            stopped.fetch_add(1);
        }
    };
    CHECK_THROWS_AS(sync_wait(rt, parallel_for_each(counting<int>(0, 1000), 4, work)),
                    std::runtime_error);
    CHECK(calls.load() == 4);
    CHECK(stopped.load() == 3);
}

TEST_CASE("an empty range, none allowed, more allowed than there are, a failing range") {
    runtime rt(runtime_options{}.threads(2));
    meter m;
    const auto take = [&](long v) { return m.take(v); };
    sync_wait(rt, parallel_for_each(std::vector<long>(), 4, take));
    sync_wait(rt, parallel_for_each(std::vector<long>{1, 2}, 1000, take));
    CHECK(m.calls.load() == 2);
    CHECK_THROWS_AS(parallel_for_each(std::vector<long>{1}, 0, take), std::system_error);
    const auto broken = []() -> generator<long> {
        co_yield 1;
        throw std::out_of_range("range");
    };
    CHECK_THROWS_AS(sync_wait(rt, parallel_for_each(broken(), 2, take)), std::out_of_range);
    const auto broken_stream = []() -> async_generator<long> {
        co_yield 1;
        throw std::out_of_range("stream");
    };
    CHECK_THROWS_AS(sync_wait(rt, parallel_for_each(broken_stream(), 2, take)), std::out_of_range);
}

TEST_CASE("stopping the parent stops a parallel_for_each, also one that never waits itself") {
    runtime rt(runtime_options{}.threads(2));
    const auto sleeps = [](int) { return aloft::sleep_for(1h); };
    CHECK_THROWS_AS(
        sync_wait(rt, aloft::with_timeout(1ms, parallel_for_each(counting<int>(0), 4, sleeps))),
        std::system_error);
    const auto yields = [](int) { return aloft::yield(); };
    CHECK_THROWS_AS(
        sync_wait(rt, aloft::with_timeout(1ms, parallel_for_each(counting<int>(0), 4, yields))),
        std::system_error);
}

TEST_CASE("retry tries until it succeeds, as often as allowed, and rethrows the last failure") {
    runtime rt(runtime_options{}.threads(1));
    const auto options = retry_options{}.attempts(4).first_delay(10us);
    int calls = 0;
    const auto until = [&](int good) {
        calls = 0;
        return retry(options, [&calls, good]() -> task<std::string> {
            if (++calls < good) {
                throw std::runtime_error("attempt " + std::to_string(calls));
            }
            co_return "done";
        });
    };
    CHECK(sync_wait(rt, until(1)) == "done");
    CHECK(calls == 1);
    CHECK(sync_wait(rt, until(4)) == "done");
    CHECK(calls == 4);
    try {
        (void)sync_wait(rt, until(5));
        FAIL("it had four attempts");
    } catch (const std::runtime_error& error) {
        CHECK(std::string(error.what()) == "attempt 4");
    }
    CHECK(calls == 4);
}

TEST_CASE("retry tries again only what is worth it, and never a cancellation") {
    runtime rt(runtime_options{}.threads(1));
    int calls = 0;
    const auto fails = [&]() -> task<int> {
        ++calls;
        throw std::logic_error("never better");
        co_return 0;
    };
    const auto never_again = [](const std::exception_ptr&) { return false; };
    CHECK_THROWS_AS(sync_wait(rt, retry(retry_options{}.first_delay(1ns), fails, never_again)),
                    std::logic_error);
    CHECK(calls == 1);
    calls = 0;
    const auto stuck = [&]() -> task<int> {
        ++calls;
        co_await aloft::sleep_for(1h);
        co_return 0;
    };
    CHECK_THROWS_AS(sync_wait(rt, aloft::with_timeout(1ms, retry(retry_options{}, stuck))),
                    std::system_error);
    CHECK(calls == 1);
    calls = 0; // stopped between two attempts
    CHECK_THROWS_AS(
        sync_wait(rt, aloft::with_timeout(2ms, retry(retry_options{}.first_delay(1h), fails))),
        std::system_error);
    CHECK(calls == 1);
}

TEST_CASE("delays grow up to the longest, and a part of each is left to chance") {
    using aloft::detail::backoff;
    backoff exact(retry_options{}.first_delay(1ms).growth(3).most_delay(20ms).jitter(0));
    CHECK(exact.next() == 1ms);
    CHECK(exact.next() == 3ms);
    CHECK(exact.next() == 9ms);
    CHECK(exact.next() == 20ms);
    CHECK(exact.next() == 20ms);
    backoff half(retry_options{}.first_delay(8ms).growth(1).jitter(0.5));
    std::chrono::nanoseconds least = 1h;
    std::chrono::nanoseconds most = 0ns;
    for (int i = 0; i < 1000; ++i) {
        const auto delay = half.next();
        least = std::min(least, delay);
        most = std::max(most, delay);
    }
    CHECK(least >= 4ms);
    CHECK(most <= 8ms);
    CHECK(most - least > 3ms);
    CHECK_THROWS_AS(backoff(retry_options{}.attempts(0)), std::system_error);
    CHECK_THROWS_AS(backoff(retry_options{}.growth(0.5)), std::system_error);
    CHECK_THROWS_AS(backoff(retry_options{}.jitter(1.5)), std::system_error);
    CHECK_THROWS_AS(backoff(retry_options{}.first_delay(-1ns)), std::system_error);
}

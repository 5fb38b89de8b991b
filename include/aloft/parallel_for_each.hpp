// SPDX-License-Identifier: MIT
// parallel_for_each: applies an asynchronous function to the elements of a range, so many at a time.
// Layer: L1 coro
//
// As many workers as may be in flight are awaited together by when_all. Each takes the next element
// under a lock, awaits the function for it, and comes back for another: an element is taken only when
// there is a worker for it, so however long or slow the range, no more is in memory than is in flight.
// The first failure stops the other workers (when_all), and no element is taken behind it.
#pragma once

#include <aloft/async_generator.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/temporary_closure.hpp>
#include <aloft/error.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>

#include <cstddef>
#include <iterator>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class Iterator, class Sentinel>
struct shared_range {
    using reference = decltype(*std::declval<Iterator&>());
    using value = std::remove_cvref_t<reference>;
    static constexpr bool stays = // what the iterator refers to, when it has gone on
        std::is_lvalue_reference_v<reference> && std::forward_iterator<Iterator>;
    /// What a worker keeps: a reference into the range, or a value of its own.
    using kept = std::conditional_t<stays, std::add_pointer_t<reference>, std::optional<value>>;

    spin_lock lock;
    Iterator at;
    Sentinel last;
    bool begun = false;

    /// Empty at the end. Goes on before it takes, not behind: a range that waits for its elements, or
    /// makes them, is not a step ahead.
    [[nodiscard]] kept next() {
        const spin_guard guard(lock);
        kept taken{};
        if (at == last) {
            return taken;
        }
        if (std::exchange(begun, true)) {
            ++at;
            if (at == last) {
                return taken;
            }
        }
        if constexpr (stays) {
            taken = __builtin_addressof(*at);
        } else if constexpr (std::is_copy_constructible_v<value>) {
            taken.emplace(*at);
        } else {
            taken.emplace(std::move(*at));
        }
        return taken;
    }
};

template <class Source, class Function>
task<void> for_each_worker(Source& source, Function& function) {
    const aloft::stop_token token = co_await this_task::stop_token();
    while (!token.stop_requested()) {
        auto element = source.next();
        if (!element) {
            co_return;
        }
        (void)co_await function(*element);
    }
    throw_error(canceled_error(), "parallel_for_each");
}

template <class Generator, class Function>
task<void> for_each_stream_worker(Generator& source, semaphore& turn, bool& ended,
                                  Function& function) {
    using value = typename Generator::value_type;
    for (;;) {
        co_await turn.acquire();
        std::optional<value> element;
        try {
            if (!ended) {
                if (auto* const yielded = co_await source.next()) {
                    element.emplace(std::move(*yielded));
                } else {
                    ended = true;
                }
            }
        } catch (...) {
            ended = true;
            turn.release();
            throw;
        }
        turn.release();
        if (!element) {
            co_return;
        }
        (void)co_await function(*element);
    }
}

inline void check_in_flight(std::size_t most) {
    if (most == 0) {
        throw_error(std::make_error_code(std::errc::invalid_argument),
                    "parallel_for_each: none may be in flight");
    }
}

template <class Range, class Function>
task<void> for_each_in_range(Range range, std::size_t most, Function function) {
    using std::begin;
    using std::end;
    shared_range<decltype(begin(range)), decltype(end(range))> source{{}, begin(range), end(range)};
    if constexpr (requires { std::size(range); }) {
        most = (std::min)(most, static_cast<std::size_t>(std::size(range)));
    }
    std::vector<task<void>> workers;
    workers.reserve(most);
    for (std::size_t i = 0; i < most; ++i) {
        workers.push_back(for_each_worker(source, function));
    }
    co_await when_all(std::move(workers));
}

template <class Generator, class Function>
task<void> for_each_in_stream(Generator source, std::size_t most, Function function) {
    semaphore turn(1);
    bool ended = false;
    std::vector<task<void>> workers;
    workers.reserve(most);
    for (std::size_t i = 0; i < most; ++i) {
        workers.push_back(for_each_stream_worker(source, turn, ended, function));
    }
    co_await when_all(std::move(workers));
}

template <class R>
inline constexpr bool is_async_generator = false;
template <class T>
inline constexpr bool is_async_generator<async_generator<T>> = true;

} // namespace detail

/// Purpose: `co_await parallel_for_each(urls, 8, [&](const url& u) { return fetch(u); });` awaits
/// `function(element)` for every element, at most `max_in_flight` at the same time, and takes the next
/// element when one has ended. The range may be a container, a view, a generator, or an
/// async_generator, whose values are moved out.
///
/// Thread safety: the function is called by several workers at once; the range is stepped by one at a
/// time.
/// Lifetime: temporaries are moved in, an lvalue range is referred to; the function is moved in.
/// Elements of a container are passed by reference; those of an input range are copied, or moved if
/// they cannot be copied, and live for their call.
/// Errors: std::errc::invalid_argument if max_in_flight is 0. The first failure, of the function or of
/// the range, stops the others; no further element is taken, and it is rethrown when all have ended.
/// Cancellation: stopping the parent stops what is in flight; ends with
/// std::errc::operation_canceled.
/// With g++ 12, name the task if a temporary lambda captures objects; the compiler says so.
/// Cost: one recycled frame for each that may be in flight, and what the function's tasks need.
template <class Range, class Function>
[[ALOFT_CORO_MOVES nodiscard]] auto parallel_for_each(Range&& range, std::size_t max_in_flight,
                                                      Function&& function) {
    constexpr bool endangered =
        detail::is_endangered_temporary<Range> || detail::is_endangered_temporary<Function>;
    detail::check_in_flight(max_in_flight);
    if constexpr (detail::is_async_generator<std::remove_cvref_t<Range>>) {
        return detail::guard_temporary<endangered>(
            detail::for_each_in_stream<Range, std::decay_t<Function>>(
                std::forward<Range>(range), max_in_flight, std::forward<Function>(function)));
    } else {
        return detail::guard_temporary<endangered>(
            detail::for_each_in_range<Range, std::decay_t<Function>>(
                std::forward<Range>(range), max_in_flight, std::forward<Function>(function)));
    }
}

} // namespace aloft::inline ALOFT_ABI

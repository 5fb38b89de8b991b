// SPDX-License-Identifier: MIT
// when_any: awaits several things at once, keeps the first that ends, stops and joins the others.
// Layer: L1 coro
//
//   racing --first end--> decided --last end--> parent resumed
//
// 1. `winner_` goes from nobody to one child by a compare-exchange: exactly one child wins, and
//    requests stop before it gives up its part of `remaining_`, so the block is alive meanwhile.
// 2. `remaining_` starts with the number of children. The end that brings it to 0 resumes the parent;
//    nobody touches the block later. No loser outlives the await.
// 3. What the children did is visible to the parent by `remaining_`.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/detail/coro/task_range.hpp>
#include <aloft/error.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <iterator>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace aloft::inline ALOFT_ABI {

/// What when_any gives: which of its arguments ended first, counted from 0, and with what.
template <class T>
struct when_any_result {
    std::size_t index = 0;
    T value;
};

namespace detail {

class race_block {
public:
    struct entry {
        race_block* block = nullptr;
        std::size_t index = 0;
    };

    race_block() = default;
    race_block(race_block&&) noexcept {} // before it is armed there is nothing to move

    void arm(std::size_t children, std::coroutine_handle<> parent,
             const environment* outer) noexcept {
        stop_.set_parent(stop_above(outer));
        environment_.inherit(outer, &stop_);
        remaining_.store(children, std::memory_order_relaxed);
        parent_ = parent;
    }

    void adopt_child(promise_base& child, entry& as, std::size_t index) noexcept {
        as = {this, index};
        adopt(child, &as, &child_done, &environment_);
    }

    void start(promise_base& child) const noexcept {
        if (environment_.exec != nullptr) [[likely]] {
            fork(*environment_.exec, child, nullptr);
        } else {
            resume_chain(child.coroutine);
        }
    }

    [[nodiscard]] std::size_t winner() const noexcept {
        return winner_.load(std::memory_order_relaxed);
    }

private:
    static constexpr std::size_t nobody = ~std::size_t{0};

    ALOFT_NOINLINE static std::coroutine_handle<> child_done(promise_base& child) noexcept {
        const entry& as = *static_cast<entry*>(child.owner.load(std::memory_order_relaxed));
        race_block& block = *as.block;
        std::size_t expected = nobody;
        if (block.winner_.compare_exchange_strong(expected, as.index, std::memory_order_relaxed)) {
            (void)block.stop_.request_stop();
        }
        const std::coroutine_handle<> parent = block.parent_;
        // order(when_any.remaining): acq_rel; the children's results become visible to the parent
        return block.remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1
                   ? parent
                   : std::noop_coroutine(); // PUBLISHED
    }

    stop_state stop_;
    environment environment_;
    atomic<std::size_t> winner_{nobody};
    atomic<std::size_t> remaining_{0};
    std::coroutine_handle<> parent_{};
};

template <class First, class... Rest>
inline constexpr bool all_the_same = (std::is_same_v<First, Rest> && ...);

template <class T>
void_to_monostate<T> take_or_throw(task<T>& child) {
    auto& result = task_access::promise_of(child).result;
    if constexpr (std::is_void_v<T>) {
        result.take();
        return {};
    } else {
        return result.take();
    }
}

template <transfer_mode Mode, class... T>
class [[nodiscard]] when_any_awaiter {
    static constexpr bool uniform = all_the_same<T...>;
    template <class... U>
    struct value_of {
        using type = std::variant<void_to_monostate<U>...>;
    };
    template <class U, class... More>
        requires(std::is_same_v<U, More> && ...)
    struct value_of<U, More...> {
        using type = void_to_monostate<U>;
    };
    using value = typename value_of<T...>::type;

public:
    explicit when_any_awaiter(std::tuple<task<T>...>&& children) noexcept
        : children_(std::move(children)) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        block_.arm(sizeof...(T), parent, environment_of(parent));
        std::array<promise_base*, sizeof...(T)> all;
        std::size_t count = 0;
        std::apply(
            [&](auto&... child) {
                ((all[count] = &task_access::promise_of(child),
                  block_.adopt_child(*all[count], entries_[count], count), ++count),
                 ...);
            },
            children_);
        // The last child has not started yet, so the block and the children stay until the return.
        for (std::size_t i = 0; i + 1 < sizeof...(T); ++i) {
            block_.start(*all[i]);
        }
        return transfer_from<Mode>(parent, all[sizeof...(T) - 1]->coroutine); // PUBLISHED
    }

    when_any_result<value> await_resume() { return take(std::index_sequence_for<T...>()); }

private:
    template <std::size_t... I>
    when_any_result<value> take(std::index_sequence<I...>) {
        const std::size_t winner = block_.winner();
        using function = when_any_result<value> (*)(when_any_awaiter&);
        static constexpr std::array<function, sizeof...(T)> take_each{&take_one<I>...};
        return take_each[winner](*this);
    }

    template <std::size_t I>
    static when_any_result<value> take_one(when_any_awaiter& self) {
        if constexpr (uniform) {
            return {I, take_or_throw(std::get<I>(self.children_))};
        } else {
            return {I, value(std::in_place_index<I>, take_or_throw(std::get<I>(self.children_)))};
        }
    }

    race_block block_;
    std::array<race_block::entry, sizeof...(T)> entries_;
    std::tuple<task<T>...> children_;
};

template <transfer_mode Mode, class T>
class [[nodiscard]] when_any_range_awaiter {
public:
    explicit when_any_range_awaiter(std::vector<task<T>>&& children)
        : entries_(children.size()), children_(std::move(children)) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Parent>
    ALOFT_AWAIT_SUSPEND suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        block_.arm(children_.size(), parent, environment_of(parent));
        for (std::size_t i = 0; i < children_.size(); ++i) {
            block_.adopt_child(task_access::promise_of(children_[i]), entries_[i], i);
        }
        for (std::size_t i = 0; i + 1 < children_.size(); ++i) {
            block_.start(task_access::promise_of(children_[i]));
        }
        return transfer_from<Mode>(
            parent, task_access::promise_of(children_.back()).coroutine); // PUBLISHED
    }

    when_any_result<void_to_monostate<T>> await_resume() {
        const std::size_t winner = block_.winner();
        return {winner, take_or_throw(children_[winner])};
    }

private:
    race_block block_;
    std::vector<race_block::entry> entries_;
    std::vector<task<T>> children_;
};

} // namespace detail

/// Purpose: `auto [index, value] = co_await when_any(f(), g());` awaits all of its arguments in
/// parallel and gives the result of the one that ended first. `value` has the arguments' type if they
/// all give the same, and is a std::variant with an alternative for each otherwise; std::monostate
/// stands for void.
///
/// Thread safety: the children run on any workers at once; the parent goes on where the last ended.
/// Lifetime: temporaries are moved in and destroyed with the co_await expression; lvalues are referred
/// to and must outlive it. When it returns all children have ended: nothing runs on in the
/// background.
/// Errors: if the first that ended failed, its exception; what the others end with is dropped.
/// Cancellation: the others are stopped when the first has ended, and joined; stopping the parent
/// stops all. A child that never awaits anything is not interrupted.
/// Cost: no allocation beyond the children's frames (an argument that is no task gets one); two atomic
/// operations per child.
template <detail::transfer_mode Mode = detail::transfer_here, class... Awaitables>
    requires(sizeof...(Awaitables) > 0 && (detail::awaitable<Awaitables> && ...))
[[nodiscard]] auto when_any(Awaitables&&... awaitables) {
    return detail::when_any_awaiter<Mode,
                                    typename decltype(detail::as_task(
                                        std::forward<Awaitables>(awaitables)))::value_type...>(
        std::tuple(detail::as_task(std::forward<Awaitables>(awaitables))...));
}

/// The same for a range, which is consumed. Throws std::errc::invalid_argument if it is empty.
template <detail::transfer_mode Mode = detail::transfer_here, detail::awaitable_range Range>
[[nodiscard]] auto when_any(Range&& range) {
    auto children = detail::tasks_of(std::forward<Range>(range));
    if (children.empty()) {
        detail::throw_error(std::make_error_code(std::errc::invalid_argument),
                            "when_any: of nothing");
    }
    using value = typename detail::range_task_t<Range>::value_type;
    return detail::when_any_range_awaiter<Mode, value>(std::move(children));
}

template <class... A>
    requires(detail::cannot_be_awaited<A...>)
[[nodiscard]] auto when_any(A&&...) {
    return detail::refuse_to_await<A...>();
}

} // namespace aloft::inline ALOFT_ABI

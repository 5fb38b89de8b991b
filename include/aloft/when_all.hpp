// SPDX-License-Identifier: MIT
// when_all: awaits several things at once and goes on when the last of them has ended.
// Layer: L1 coro
//
// All children but the last are put where other workers can steal them, and the awaiting thread
// goes on with the last one. Life cycle and proof: detail/coro/join_block.hpp.
#pragma once

#include <aloft/detail/base/lean_invoke.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/join_block.hpp>
#include <aloft/detail/coro/task_range.hpp>
#include <aloft/detail/coro/temporary_closure.hpp>

#include <array>
#include <coroutine>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace aloft::inline ALOFT_ABI {
namespace detail {

template <class T>
using void_to_monostate = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// Only after all children ended, and none by an exception.
template <class T>
ALOFT_ALWAYS_INLINE void_to_monostate<T> take_result(task<T>& child) {
    if constexpr (std::is_void_v<T>) {
        return {};
    } else {
        return task_access::started_promise_of(child).result.take_value();
    }
}

template <transfer_mode Mode, class... T>
class [[nodiscard]] when_all_awaiter {
public:
    explicit when_all_awaiter(std::tuple<task<T>...>&& children) noexcept
        : children_(std::move(children)) {}
    when_all_awaiter(when_all_awaiter&&) = default;
    ALOFT_OUT_OF_COROUTINE ~when_all_awaiter() {}

    [[nodiscard]] bool await_ready() const noexcept { return sizeof...(T) == 0; }

    /// Out of line: what it needs registers for is then no burden of the whole coroutine.
    template <class Parent>
    ALOFT_NOINLINE suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        if constexpr (sizeof...(T) > 0) {
            executor* const exec = block_.arm(sizeof...(T), parent, environment_of(parent));
            const auto all = std::apply(
                [this](auto&... child) {
                    return std::array<work_node*, sizeof...(T)>{this->adopted(child)...};
                },
                children_);
            auto next = all.begin();
            const auto then = block_.start_few(
                exec, sizeof...(T) - 1, [&next]() noexcept -> work_node& { return **next++; },
                all.back()->coroutine, [this] { return start_apart(); });
            return transfer_from<Mode>(parent, then); // PUBLISHED
        } else {
            return transfer_from<Mode>(parent, parent);
        }
    }

    ALOFT_ALWAYS_INLINE auto await_resume() {
        block_.rethrow_first();
        if constexpr ((std::is_void_v<T> && ...)) {
            return;
        } else {
            return std::apply(
                [](auto&... child) {
                    return std::tuple<void_to_monostate<T>...>(take_result(child)...);
                },
                children_);
        }
    }

private:
    template <class U>
    [[nodiscard]] ALOFT_ALWAYS_INLINE work_node* adopted(task<U>& child) noexcept {
        promise_base& p = task_access::promise_of(child);
        adopt(p, &block_, &join_block::child_done<U>, block_.children_environment());
        return &p;
    }

    /// The children have been adopted. What they are is asked again, because a list of them that this
    /// function got would have to be in memory, and written for every fork.
    ALOFT_NOINLINE std::coroutine_handle<> start_apart() noexcept {
        const auto all = std::apply(
            [](auto&... child) {
                return std::array<work_node*, sizeof...(T)>{
                    &task_access::started_promise_of(child)...};
            },
            children_);
        return block_.start_apart(all.data(), all.size());
    }

    join_block block_;
    std::tuple<task<T>...> children_;
};

template <class A>
inline constexpr std::size_t array_length = 0;
template <class T, std::size_t Length>
inline constexpr std::size_t array_length<std::array<T, Length>> = Length;

/// Children is a std::vector or a std::array of tasks.
template <transfer_mode Mode, class Children>
class [[nodiscard]] when_all_range_awaiter {
    using value_type = typename Children::value_type::value_type;
    using element = std::conditional_t<std::is_reference_v<value_type>,
                                       std::reference_wrapper<std::remove_reference_t<value_type>>,
                                       std::remove_cv_t<value_type>>;

public:
    explicit when_all_range_awaiter(Children&& children) noexcept
        : children_(std::move(children)) {}
    when_all_range_awaiter(when_all_range_awaiter&&) = default;
    ALOFT_OUT_OF_COROUTINE ~when_all_range_awaiter() {}

    [[nodiscard]] bool await_ready() const noexcept { return children_.empty(); }

    template <class Parent>
    ALOFT_NOINLINE suspend_result<Mode, Parent>
    await_suspend(std::coroutine_handle<Parent> parent) noexcept {
        executor* const exec = block_.arm(children_.size(), parent, environment_of(parent));
        // The last child has not started yet, so the block and the children stay until the return.
        const auto last = adopted(children_.back()).coroutine;
        auto at = children_.begin();
        const auto next = block_.start_few(
            exec, children_.size() - 1, [&]() noexcept -> work_node& { return adopted(*at++); },
            last, [this] { return start_apart(); });
        return transfer_from<Mode>(parent, next); // PUBLISHED
    }

    ALOFT_OUT_OF_COROUTINE auto await_resume() {
        block_.rethrow_first();
        if constexpr (std::is_void_v<value_type>) {
            return;
        } else if constexpr (array_length<Children> > 0) {
            return results(std::make_index_sequence<array_length<Children>>());
        } else {
            std::vector<element> values;
            values.reserve(children_.size());
            for (auto& child : children_) {
                values.push_back(take_result(child));
            }
            return values;
        }
    }

private:
    ALOFT_ALWAYS_INLINE promise_base& adopted(typename Children::value_type& child) noexcept {
        promise_base& p = task_access::promise_of(child);
        adopt(p, &block_, &join_block::child_done<value_type>, block_.children_environment());
        return p;
    }

    ALOFT_NOINLINE std::coroutine_handle<> start_apart() noexcept {
        const auto last = task_access::started_promise_of(children_.back()).coroutine;
        auto at = children_.begin();
        block_.start_all(children_.size() - 1,
                         [&]() noexcept -> work_node& { return adopted(*at++); });
        return last;
    }

    template <std::size_t... I>
    std::array<element, sizeof...(I)> results(std::index_sequence<I...>) {
        return {take_result(children_[I])...};
    }

    join_block block_;
    Children children_;
};

} // namespace detail

/// Purpose: awaits all of its arguments in parallel: `auto [a, b] = co_await when_all(f(), g());`.
/// Gives a tuple in the order of the arguments, std::monostate where an argument gives void, and
/// void itself if all of them do.
///
/// Thread safety: the children run on any workers at once; the parent goes on where the last ended.
/// Lifetime: temporaries are moved in and destroyed with the co_await expression; lvalues (join
/// handles, say) are referred to and must outlive it.
/// Errors: when one fails, the others are stopped; waits for all, then rethrows the exception of the
/// one that failed first.
/// Cancellation: stopping the parent stops the children.
/// Cost: no allocation beyond the children's frames (an argument that is no task gets one); a push
/// to the worker's own deque for all but one, and an atomic operation per child that another worker
/// took.
template <detail::transfer_mode Mode = detail::transfer_here, detail::awaitable... Awaitables>
[[nodiscard]] auto when_all(Awaitables&&... awaitables) {
    return detail::when_all_awaiter<Mode,
                                    typename decltype(detail::as_task(
                                        std::forward<Awaitables>(awaitables)))::value_type...>(
        std::tuple(detail::as_task(std::forward<Awaitables>(awaitables))...));
}

/// The same for a range, which is consumed: gives a vector in the order of the range (of
/// std::reference_wrapper for references), or void. An empty range is ready at once. A temporary
/// std::array of tasks stays one, and gives a std::array: nothing is allocated. With g++ 12, name the
/// awaitable made from a std::array: `auto all = when_all(std::array{f(), g()}); co_await all;`
template <detail::transfer_mode Mode = detail::transfer_here, detail::awaitable_range Range>
[[nodiscard]] auto when_all(Range&& range) {
    using given = std::remove_cvref_t<Range>;
    using child = decltype(detail::as_task(std::declval<detail::range_value_t<Range>>()));
    if constexpr (!std::is_lvalue_reference_v<Range> &&
                  (std::is_same_v<given, std::vector<child>> ||
                   std::is_same_v<given, std::array<child, detail::array_length<given>>>)) {
        return detail::guarded_of<detail::is_endangered_temporary<Range>,
                                  detail::when_all_range_awaiter<Mode, given>>(std::move(range));
    } else {
        std::vector<child> children;
        if constexpr (requires { std::size(range); }) {
            children.reserve(static_cast<std::size_t>(std::size(range)));
        }
        for (auto&& each : range) {
            if constexpr (std::is_reference_v<detail::range_reference_t<Range>>) {
                children.push_back(detail::as_task(std::move(each)));
            } else {
                children.push_back(detail::as_task(std::forward<decltype(each)>(each)));
            }
        }
        return detail::guarded_of<detail::is_endangered_temporary<Range>,
                                  detail::when_all_range_awaiter<Mode, std::vector<child>>>(
            std::move(children));
    }
}

template <class... A>
    requires(detail::cannot_be_awaited<A...>)
[[nodiscard]] auto when_all(A&&...) {
    return detail::refuse_to_await<A...>();
}

} // namespace aloft::inline ALOFT_ABI

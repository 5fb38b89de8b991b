// SPDX-License-Identifier: MIT
// when_each: awaits several things at once and yields what they end with, as they end.
// Layer: L1 coro
//
// The stream and each child hold a reference to a block. A child leaves its result there and queues its
// number under the block's lock; the stream takes the numbers out in that order.
//
// 1. Each child queues itself once, behind writing its own result, which nobody else touches before.
// 2. A destructor cannot wait. So children are tasks of the runtime, which joins them at the latest: a
//    stream that is destroyed early stops the children that are left, and does not wait for them.
#pragma once

#include <aloft/async_generator.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/coro/awaitable.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/shared_pointer.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/detail/coro/task_range.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/spawn.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>
#include <aloft/when_all_settled.hpp>

#include <coroutine>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI {

/// What when_each yields: which element of the range has ended, counted from 0, and with what.
template <class T>
struct when_each_result {
    std::size_t index = 0;
    settled<T> result;
};

namespace detail {

template <class T>
class each_block final : public reference_counted {
public:
    explicit each_block(std::size_t children) : results_(children) { ended_.reserve(children); }
    each_block(const each_block&) = delete;
    each_block& operator=(const each_block&) = delete;

    void start(executor& exec, std::vector<task<T>>&& children) {
        environment_.exec = &exec;
        environment_.stop = &stop_;
        stop_.set_parent(exec.root_stop);
        std::vector<task<void>> all;
        all.reserve(children.size());
        for (std::size_t i = 0; i < children.size(); ++i) {
            this->add_reference();
            all.push_back(run(shared_pointer<each_block>(this), i, std::move(children[i])));
        }
        for (task<void>& each : all) { // behind everything that may throw
            spawn_access::start(environment_, std::move(each)).detach();
        }
    }

    void request_stop() noexcept { (void)stop_.request_stop(); }

    class [[nodiscard]] next_awaiter : room_waiter {
    public:
        explicit next_awaiter(each_block& block) noexcept : block_(&block) {}
        next_awaiter(const next_awaiter&) = delete;
        next_awaiter& operator=(const next_awaiter&) = delete;
        ~next_awaiter() { waiting_room::forget(*this); }

        [[nodiscard]] bool await_ready() const noexcept { return false; }
        template <class Promise>
        ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
            return block_->room_.wait(
                *this, self, environment_of(self), [b = block_] { return b->something_left(); },
                "when_each"); // PUBLISHED if true
        }
        [[nodiscard]] std::size_t await_resume() {
            if (!waiting_room::resumed(*this)) [[unlikely]] {
                throw_error(canceled_error(), "when_each");
            }
            const spin_guard guard(block_->room_.lock());
            return block_->ended_[block_->taken_++];
        }

    private:
        each_block* block_;
    };

    [[nodiscard]] settled<T>&& result(std::size_t index) noexcept {
        return std::move(*results_[index]);
    }

private:
    [[nodiscard]] bool something_left() const noexcept { return taken_ < ended_.size(); }

    static task<void> run(shared_pointer<each_block> block, std::size_t index, task<T> child) {
        block->results_[index].emplace(co_await settle(std::move(child)));
        block->note_end(index);
    }

    void note_end(std::size_t index) noexcept {
        work_list woken;
        {
            const spin_guard guard(room_.lock());
            ended_.push_back(index); // there is room
            if (room_waiter* const w = room_.first()) {
                room_.give(*w, woken);
            }
        }
        waiting_room::resume_all(woken);
    }

    stop_state stop_;
    environment environment_;
    waiting_room room_;
    std::vector<std::size_t> ended_; // in that order; under the room's lock
    std::size_t taken_ = 0;          // the same
    std::vector<std::optional<settled<T>>> results_;
};

class [[nodiscard]] executor_awaiter {
public:
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) {
        exec_ = &need_executor(environment_of(self), "when_each");
        return false;
    }
    [[nodiscard]] executor& await_resume() const noexcept { return *exec_; }

private:
    executor* exec_ = nullptr;
};

template <class T>
async_generator<when_each_result<T>> each_as_it_ends(std::vector<task<T>> children) {
    const std::size_t count = children.size();
    const shared_pointer<each_block<T>> block(new each_block<T>(count));
    executor& exec = co_await executor_awaiter();
    block->start(exec, std::move(children));
    struct stop_the_rest {
        each_block<T>& block;
        ~stop_the_rest() { block.request_stop(); }
    };
    const stop_the_rest at_the_end{*block.get()};
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t index = co_await typename each_block<T>::next_awaiter(*block.get());
        when_each_result<T> end{index, block->result(index)}; // named for the sake of g++ 12
        co_yield std::move(end);
    }
}

} // namespace detail

/// Purpose: awaits the elements of a range in parallel and yields their results in the order in which
/// they end:
///     auto each = when_each(std::move(tasks));
///     while (auto* end = co_await each.next()) use(end->index, end->result.value());
///
/// Thread safety: the children run on any workers at once; the stream has one consumer.
/// Lifetime: the range is consumed. The first next() starts the children. A stream that is destroyed
/// before all have ended stops the others and does not wait for them; the runtime joins them. So what
/// they refer to must outlive them, or the stream must be read to its end.
/// Errors: a failure is a result, and stops nobody else; std::bad_alloc.
/// Cancellation: a next() that is stopped ends with std::errc::operation_canceled, and with it the
/// stream.
/// Cost: one allocation per stream, three recycled frames per child.
template <detail::range Range>
    requires detail::awaitable<detail::range_value_t<Range>>
[[ALOFT_CORO_MOVES nodiscard]] auto when_each(Range&& range) {
    return detail::each_as_it_ends(detail::tasks_of(std::forward<Range>(range)));
}

} // namespace aloft::inline ALOFT_ABI

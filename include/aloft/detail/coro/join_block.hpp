// SPDX-License-Identifier: MIT
// Waits for the children of a when_all, stops the others when one fails, and resumes the parent when
// the last of them has ended.
// Layer: L1 coro
//
// Children that one worker runs one after the other form a chain: the end of one takes the next
// sibling from the bottom of that worker's own deque and starts it. A chain counts its children in
// the child that it is at, without an atomic operation, and subtracts them all from `remaining`
// when it finds no further sibling there. So a when_all of which nothing is stolen touches no
// atomic counter at all, and one that was stolen from pays once per chain.
//
//   armed --every child started once--> chains subtract --0--> parent resumed
//
// 1. Every child is finished by exactly one chain: a chain begins where a child is taken by the
//    scheduler, a thief or the awaiting thread, and goes on with what pop_tagged gives, which
//    nobody else gets.
// 2. `remaining` starts with the number of children: it is what the chains that have not subtracted
//    yet have counted, and will count. A chain that has counted that many is the last, whether it
//    finds so with a load or by subtracting: all children have ended, and those that have subtracted
//    found it greater. So exactly one chain is, and nobody else touches `remaining` any more.
// 3. The block is alive until the parent is resumed, so until the last chain ends. A chain that
//    subtracted less than the rest touches the block no more.
// 4. `error_` goes from null to a failure once, by the compare-exchange of the child that failed first,
//    before its chain ends. That child requests stop, before its chain ends too: the block is alive
//    meanwhile. The parent takes the failure out, first of all when it goes on, behind the last chain.
// 5. What a child did is visible to the parent: within a chain by the thread's own order, between
//    chains by `remaining`.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/promise_base.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/task.hpp>

#include <coroutine>
#include <cstddef>
#include <new>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class join_block {
public:
    join_block() noexcept : stop_(stop_state::set_later{}) {}
    join_block(join_block&&) noexcept
        : join_block() {} // before it is armed there is nothing to move

    /// `outer` is the parent's environment; the children get the block's own, with this executor.
    executor* arm(std::size_t children, std::coroutine_handle<> parent,
                  const environment* outer) noexcept {
        stop_.set_parent(stop_above(outer));
        environment own;
        own.inherit(outer, &stop_);
        ::new (static_cast<void*>(&armed_)) armed_part{own, children, parent};
        return own.exec;
    }

    [[nodiscard]] const environment* children_environment() const noexcept {
        return &armed_.children;
    }

    /// Starts `count` children that next() gives, adopted: where others can steal them. Gives `last`, the
    /// one that this thread goes on with, or what apart() does: local_worker.hpp, fork_few().
    template <class Next, class Apart>
    [[nodiscard]] ALOFT_ALWAYS_INLINE std::coroutine_handle<>
    start_few(const executor* exec, std::size_t count, Next&& next, std::coroutine_handle<> last,
              Apart&& apart) noexcept {
        return fork_few(exec, count, this, next, last, apart);
    }
    template <class Next>
    void start_all(std::size_t count, Next&& next) noexcept {
        fork_all(armed_.children.exec, count, this, next);
    }

    ALOFT_NOINLINE std::coroutine_handle<> start_apart(work_node* const* all,
                                                       std::size_t count) noexcept {
        const std::coroutine_handle<> last = all[count - 1]->coroutine;
        start_all(count - 1, [&all]() noexcept -> work_node& { return **all++; });
        return last;
    }

    /// The hook of a child: notes the first exception, and gives what this thread does next.
    template <class T>
    ALOFT_NOINLINE static std::coroutine_handle<> child_done(promise_base& child) noexcept {
        auto& result = static_cast<promise<T>&>(child).result;
        if (result.failed()) [[unlikely]] {
            return child_failed(child, result.failure());
        }
        return go_on(child);
    }

    /// To be called first of all when the parent goes on.
    void rethrow_first() {
        if (failure_record* const first = error_.load(memory_order_relaxed)) [[unlikely]] {
            rethrow(first);
        }
    }

private:
    /// Apart from child_done, which calls nothing and so saves no registers.
    ALOFT_NOINLINE static std::coroutine_handle<> child_failed(promise_base& child,
                                                               failure_holder& failure) noexcept {
        auto& block = *static_cast<join_block*>(child.owner.load(memory_order_relaxed));
        failure_record* const record = failure.release();
        failure_record* before = nullptr;
        if (block.error_.compare_exchange_strong(before, record, memory_order_relaxed)) {
            (void)block.stop_.request_stop();
        } else {
            failure = failure_holder(record);
        }
        return go_on(child);
    }

    [[nodiscard]] ALOFT_ALWAYS_INLINE static std::coroutine_handle<>
    go_on(promise_base& child) noexcept {
        auto& block = *static_cast<join_block*>(child.owner.load(memory_order_relaxed));
        const std::size_t ended = child.siblings_ended() + 1;
        // order(join_block.remaining): acquire; the other chains' results become visible
        if (block.armed_.remaining.load(memory_order_acquire) == ended) {
            return block.armed_.parent;
        }
        local_worker* const here = thread_local_worker;
        if (here != nullptr && here->spend_direct_run()) [[likely]] {
            if (work_node* const node = here->pop_fork(&block)) [[likely]] {
                static_cast<promise_base*>(node)->set_siblings_ended(ended);
                return node->coroutine;
            }
            here->return_direct_run();
        }
        const std::coroutine_handle<> parent = block.armed_.parent;
        // order(join_block.remaining): acq_rel; the children's results become visible to the parent
        if (block.armed_.remaining.fetch_sub(ended, memory_order_acq_rel) == ended) {
            return parent;
        }
        return std::noop_coroutine(); // PUBLISHED
    }

    [[noreturn]] ALOFT_NOINLINE void rethrow(failure_record* first) {
        error_.store(nullptr, memory_order_relaxed);
        failure_holder(first).rethrow();
    }

    /// What arm() sets, and nothing before: a when_all is made and moved for every join.
    struct armed_part {
        environment children;
        atomic<std::size_t> remaining;
        std::coroutine_handle<> parent;
    };

    stop_state stop_;
    atomic<failure_record*> error_{nullptr};
    union {
        armed_part armed_;
    };
};

} // namespace aloft::inline ALOFT_ABI::detail

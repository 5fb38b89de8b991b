// SPDX-License-Identifier: MIT
// What a backend offers to the worker that owns it: start operations, collect answers, be woken.
// Layer: L2 reactor
//
// 1. One reactor per worker. submit, submit_or_end, collect, has_more, poll, refuse_all and the
//    destructor are the owner's; cancel, wake, abandon, try_reap and help may be called on any thread.
// 2. A reactor appends finished operations to the caller's list and never resumes anything.
// 3. While the owner is parked in poll it holds the reap lock, so that nobody takes the answer that
//    is to wake it. try_reap takes the answers of owners that are busy elsewhere.
// 4. wake() makes the current or else the next parking poll return: it is never lost.
// 5. Nothing here fails for want of memory or queue space: what the kernel does not take yet stays
//    in a list that is linked through the operations.
// 6. What an owner that does not come back holds is reached by help(): submissions that the kernel
//    has not seen, cancellations, answers.
#pragma once

#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/reactor/clock.hpp>
#include <aloft/detail/reactor/operation.hpp>

#include <cstddef>

namespace aloft::inline ALOFT_ABI::detail {

class reactor {
public:
    virtual ~reactor() = default;

    /// Takes `op` over until it is finished. Batches: the kernel may see it at the next poll only.
    virtual void submit(operation& op) noexcept = 0;

    /// The same, except that an operation may also end here: true if it has, and then nobody but the
    /// caller knows of it, and its result is set.
    [[nodiscard]] virtual bool submit_or_end(operation& op) noexcept {
        submit(op);
        return false;
    }

    /// Asks for `op` to end early. It is finished some time later, whether it was cancelled or not.
    virtual void cancel(operation& op) noexcept = 0;

    /// For a frame that is destroyed while `op` is in flight: returns when nobody will touch it.
    virtual void abandon(operation& op) noexcept = 0;

    /// Appends what is finished; enters the kernel only if it has something to hand over. What was
    /// submitted may stay where it is.
    virtual void collect(work_list& finished) noexcept = 0;

    /// Hands what was submitted to the kernel and appends what is finished. With a `deadline` other
    /// than 0 it parks until something finishes, wake() is called, or the deadline passes.
    virtual void poll(work_list& finished, clock_ns deadline) noexcept = 0;

    /// Whether the last look has left something that others could take by try_reap; a hint.
    [[nodiscard]] virtual bool has_more() const noexcept { return false; }

    /// How long a busy owner that has nothing against it leaves what it submitted, and what has become
    /// ready in the kernel, where it is.
    [[nodiscard]] virtual clock_ns entry_pause() const noexcept { return 100'000; }

    /// Owner only. Whether one more operation would go to the kernel with others, in one system call:
    /// those that wait for it, or, if `others_follow`, some of what runs next.
    [[nodiscard]] virtual bool joins_batch(bool /*others_follow*/) const noexcept { return false; }

    /// Appends what is finished, if nobody else is doing so.
    virtual void try_reap(work_list& finished) noexcept = 0;

    /// For an owner that has been busy for long: does in its place what it would do, as far as that
    /// can be done on another thread, and appends what is finished. The caller has passed
    /// heavy_fence() since the owner was busy. Threads that call it outlive the operations.
    virtual void help(work_list& finished) noexcept = 0;

    virtual void wake() noexcept = 0;

    /// Shutdown: asks for everything in flight to end. Whatever is submitted from now on ends with
    /// the platform's "cancelled" at once. May be called again.
    virtual void refuse_all() noexcept = 0;

    /// Operations that were submitted and are not finished. Any thread; to others a hint.
    [[nodiscard]] virtual std::size_t in_flight() const noexcept = 0;
};

} // namespace aloft::inline ALOFT_ABI::detail

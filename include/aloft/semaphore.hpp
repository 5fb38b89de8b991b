// SPDX-License-Identifier: MIT
// semaphore: a number of permits that tasks wait for in the order of their coming.
// Layer: L1 coro
//
// Under the lock, always: permits_ == 0 or waiters_ is empty. acquire takes a permit or joins the
// queue in one critical section, release gives to the queue or adds in one, so no waiter can be
// left asleep beside a free permit: no wake-up is lost. A woken waiter owns its permit already;
// nobody barges in. Waiters are posted after the lock was let go, each to its own executor.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/transfer.hpp>

#include <coroutine>
#include <cstddef>

namespace aloft::inline ALOFT_ABI {

/// Purpose: limits how many tasks are somewhere at once.
///
/// Thread safety: every member may be called on any thread; acquire() is awaited in tasks.
/// Lifetime: must outlive its waiters.
/// Errors: none. Cancellation: an acquire that waits is not cancelled; whoever holds a permit gives
/// it back when its own operations are cancelled.
/// Cost: one short lock; a wait allocates nothing.
class semaphore {
    struct waiter : detail::work_node {
        detail::executor* exec = nullptr;
    };

public:
    explicit semaphore(std::size_t permits) noexcept : permits_(permits) {}
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    ~semaphore() {
        detail::require(waiters_.empty(), "a semaphore was destroyed while tasks wait for it");
    }

    class [[nodiscard]] acquire_awaiter : waiter {
    public:
        explicit acquire_awaiter(semaphore& s) noexcept : semaphore_(&s) {}
        acquire_awaiter(acquire_awaiter&& other) noexcept // only before it is awaited
            : waiter(), semaphore_(other.semaphore_) {}
        ~acquire_awaiter() {
            if (waiting_) {
                semaphore_->forget(*this);
            }
        }

        [[nodiscard]] bool await_ready() const noexcept { return semaphore_->try_acquire(); }

        template <class Promise>
        ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
            const detail::environment* env = detail::environment_of(self);
            exec = (env != nullptr ? *env : detail::need_environment("semaphore")).exec;
            coroutine = self;
            waiting_ = true;
            return semaphore_->wait(*this); // PUBLISHED if true
        }

        void await_resume() noexcept { waiting_ = false; }

    private:
        semaphore* semaphore_;
        bool waiting_ = false;
    };

    /// Waits for a permit and takes it.
    [[nodiscard]] acquire_awaiter acquire() noexcept { return acquire_awaiter(*this); }

    /// Takes a permit if there is one.
    [[nodiscard]] bool try_acquire() noexcept {
        const detail::spin_guard guard(lock_);
        if (permits_ == 0) {
            return false;
        }
        --permits_;
        return true;
    }

    /// Gives `permits` back; those who wait longest get them.
    void release(std::size_t permits = 1) noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard guard(lock_);
            for (; permits > 0 && !waiters_.empty(); --permits) {
                woken.push(*waiters_.pop());
            }
            permits_ += permits;
        }
        while (detail::work_node* node = woken.pop()) {
            auto& each = static_cast<waiter&>(*node);
            each.exec->post(each);
        }
    }

private:
    [[nodiscard]] bool wait(waiter& w) noexcept {
        const detail::spin_guard guard(lock_);
        if (permits_ > 0) {
            --permits_;
            return false;
        }
        waiters_.push(w);
        return true;
    }

    void forget(waiter& w) noexcept {
        const detail::spin_guard guard(lock_);
        detail::require(waiters_.remove(w),
                        "a frame was destroyed between getting a permit and being resumed");
    }

    detail::spin_lock lock_;
    std::size_t permits_;
    detail::work_list waiters_;
};

} // namespace aloft::inline ALOFT_ABI

// SPDX-License-Identifier: MIT
// The threads that may block: started on demand up to a limit, and retired when they are not
// needed.
// Layer: L3 runtime
//
// 1. Everything is touched under the mutex, except the call that a thread runs. Answering posts a
//    coroutine and resumes none, so it may be done under the mutex.
// 2. A call is queued or refused in one critical section, and a thread looks at the queue again
//    before it waits or retires, so none is left behind.
// 3. A new thread is started when a call finds nobody waiting. If that fails and there is no thread
//    at all, the call is refused; if there are some, one of them will take it.
// 4. A call is answered once: run() and withdraw() both go by its phase, under the mutex. One that is
//    withdrawn before it comes is refused when it does.
// 5. A call that does not run is answered under the mutex, too. stop() refuses what is queued, passes
//    the mutex, and joins the threads: then every call that came before has been answered.
#pragma once

#include <aloft/detail/base/lean_chrono.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/reactor/process.hpp>
#include <aloft/detail/reactor/start_thread.hpp>
#include <aloft/detail/reactor/time_slice.hpp>

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <list>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class blocking_pool {
public:
    explicit blocking_pool(std::size_t most_threads) : most_threads_(most_threads) {}
    blocking_pool(const blocking_pool&) = delete;
    blocking_pool& operator=(const blocking_pool&) = delete;
    ~blocking_pool() { stop(); }

    /// Any thread.
    void run(blocking_call& call) noexcept {
        const std::scoped_lock lock(mutex_);
        join_retired();
        if (stopping_ || call.phase == blocking_call::phase_kind::withdrawn) {
            answer(call, blocking_call::outcome_kind::canceled);
        } else if (waiting_ > queued_ || threads_.size() >= most_threads_ || start_thread()) {
            push(call);
            arrived_.notify_one();
        } else {
            answer(call, blocking_call::outcome_kind::no_thread);
        }
    }

    /// Any thread, while the call exists. What has begun goes on.
    void withdraw(blocking_call& call) noexcept {
        const std::scoped_lock lock(mutex_);
        if (call.phase == blocking_call::phase_kind::fresh) {
            call.phase = blocking_call::phase_kind::withdrawn;
        } else if (call.phase == blocking_call::phase_kind::queued) {
            unlink(call);
            answer(call, blocking_call::outcome_kind::canceled);
        }
    }

    /// Threads that exist now.
    [[nodiscard]] std::size_t threads() const {
        const std::scoped_lock lock(mutex_);
        return threads_.size() - retired_.size();
    }

    ALOFT_COLD void stop() noexcept {
        cancel_queued();
        std::list<std::thread> left;
        {
            const std::scoped_lock lock(mutex_);
            left = std::move(threads_);
            retired_.clear();
        }
        for (std::thread& each : left) {
            each.join();
        }
    }

    /// Refuses what has not begun, and all that comes later.
    ALOFT_COLD void cancel_queued() noexcept {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
        while (head_ != nullptr) {
            answer(take_first(), blocking_call::outcome_kind::canceled);
        }
        arrived_.notify_all();
    }

private:
    using thread_entry = std::list<std::thread>::iterator;

    void push(blocking_call& call) noexcept {
        call.next = nullptr;
        call.phase = blocking_call::phase_kind::queued;
        (tail_ == nullptr ? head_ : tail_->next) = &call;
        tail_ = &call;
        ++queued_;
    }

    [[nodiscard]] blocking_call& take_first() noexcept {
        blocking_call& call = *head_;
        head_ = call.next;
        if (head_ == nullptr) {
            tail_ = nullptr;
        }
        --queued_;
        return call;
    }

    void unlink(blocking_call& call) noexcept {
        blocking_call* before = nullptr;
        for (blocking_call* at = head_; at != &call; at = at->next) {
            before = at;
        }
        (before == nullptr ? head_ : before->next) = call.next;
        if (tail_ == &call) {
            tail_ = before;
        }
        --queued_;
    }

    static void answer(blocking_call& call, blocking_call::outcome_kind refused) noexcept {
        call.phase = blocking_call::phase_kind::answered;
        call.run(call, refused); // PUBLISHED
    }

    /// False if there is no thread that could take a call.
    [[nodiscard]] ALOFT_COLD bool start_thread() noexcept {
        try {
            threads_.emplace_front();
            try {
                threads_.front() = detail::start_thread(
                    [](void* self) noexcept {
                        time_slice::use_usual(); // a worker may have started it
                        static_cast<blocking_pool*>(self)->serve();
                    },
                    this);
            } catch (...) {
                threads_.pop_front();
                throw;
            }
        } catch (const std::exception&) {
            return !threads_.empty();
        }
        return true;
    }

    void join_retired() noexcept {
        while (!retired_.empty()) {
            retired_.front()->join(); // it has left the critical section in which it retired
            threads_.erase(retired_.front());
            retired_.pop_front();
        }
    }

    [[nodiscard]] thread_entry this_thread() noexcept {
        thread_entry at = threads_.begin();
        while (at->get_id() != std::this_thread::get_id()) {
            ++at;
        }
        return at;
    }

    void serve() noexcept {
        block_broken_pipe_signal();
        constexpr std::chrono::seconds keep_idle{10};
        std::unique_lock lock(mutex_);
        for (;;) {
            ++waiting_;
            const bool something = arrived_.wait_for(
                lock, keep_idle, [this] { return head_ != nullptr || stopping_; });
            --waiting_;
            if (head_ != nullptr) {
                blocking_call& call = take_first();
                call.phase = blocking_call::phase_kind::answered;
                lock.unlock();
                call.run(call, blocking_call::outcome_kind::run); // PUBLISHED
                lock.lock();
                continue;
            }
            if (stopping_) {
                return;
            }
            if (!something) {
                try {
                    retired_.push_back(this_thread());
                    return;
                } catch (const std::bad_alloc&) {
                    continue; // stays for another while
                }
            }
        }
    }

    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    std::size_t most_threads_;
    std::list<std::thread> threads_;
    std::list<thread_entry> retired_;
    blocking_call* head_ = nullptr;
    blocking_call* tail_ = nullptr;
    std::size_t queued_ = 0;
    std::size_t waiting_ = 0;
    bool stopping_ = false;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// A few threads that make the system calls that may block: a backend without a ring gives them what
// has no readiness to wait for.
// Layer: L2 reactor
//
// They are started on demand, at most `most_threads`, and end with this object. Nobody but the
// reactors uses them, so calls of offload() neither wait for them nor take their place.
//
// 1. The queue goes through the operations, under the mutex. An operation is queued (withdraw takes
//    it out), or a thread has it, which gives it to `deliver` with its result and does not touch it
//    any more. Each is delivered once or withdrawn once.
// 2. A thread looks at the queue under the mutex before it waits, and whoever queues calls send()
//    behind it, for all that it queued: no operation is left behind.
// 3. Starting a thread may fail for want of memory or threads: with no thread at all, begin() says
//    so, and the operation ends with that error.
#pragma once

#include <aloft/detail/reactor/operation.hpp>
#include <aloft/detail/reactor/process.hpp>
#include <aloft/detail/reactor/start_thread.hpp>

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

class helper_threads {
public:
    static constexpr std::size_t most_threads = 64;

    using caller = std::int32_t (*)(operation&) noexcept;
    using receiver = void (*)(operation&) noexcept;

    /// `call` makes the system call and gives its answer; then `deliver` gets the operation.
    helper_threads(caller call, receiver deliver) noexcept : call_(call), deliver_(deliver) {}
    helper_threads(const helper_threads&) = delete;
    helper_threads& operator=(const helper_threads&) = delete;
    ~helper_threads() {
        {
            const std::scoped_lock lock(mutex_);
            stopping_ = true;
        }
        arrived_.notify_all();
        for (std::thread& each : threads_) {
            each.join();
        }
    }

    /// Takes `op` over; send() follows some time. False: there is no thread. `accept` is called under
    /// the mutex before that; if it gives false, the operation is not queued, and the caller has it.
    template <class Accept>
    [[nodiscard]] bool begin(operation& op, Accept&& accept) noexcept {
        {
            const std::scoped_lock lock(mutex_);
            if (threads_.empty()) {
                start_thread();
            }
            if (threads_.empty()) {
                return false;
            }
            if (!accept()) {
                return true;
            }
            queue_.push(op);
        }
        return true;
    }

    /// Sees to it that threads come for what is queued.
    void send() noexcept {
        std::size_t queued = 0;
        {
            const std::scoped_lock lock(mutex_);
            queued = queue_.size();
            for (std::size_t i = waiting_; i < queued && threads_.size() < most_threads; ++i) {
                start_thread();
            }
        }
        if (queued == 1) {
            arrived_.notify_one();
        } else if (queued > 1) {
            arrived_.notify_all();
        }
    }

    /// True: no thread has it or will.
    [[nodiscard]] bool withdraw(operation& op) noexcept {
        const std::scoped_lock lock(mutex_);
        return queue_.remove(op);
    }

    /// Takes out those that are at home there.
    void withdraw_all(const reactor* home, work_list& withdrawn) noexcept {
        const std::scoped_lock lock(mutex_);
        work_list others;
        while (work_node* const node = queue_.pop()) {
            (static_cast<operation*>(node)->home == home ? withdrawn : others).push(*node);
        }
        queue_.append(std::move(others));
    }

private:
    ALOFT_COLD void start_thread() noexcept {
        try {
            threads_.push_back(detail::start_thread(
                [](void* self) noexcept { static_cast<helper_threads*>(self)->serve(); }, this));
        } catch (const std::exception&) {
            // those that are there do it, or nobody: see begin
        }
    }

    void serve() noexcept {
        prepare_thread("aloft-file");
        std::unique_lock lock(mutex_);
        for (;;) {
            ++waiting_;
            arrived_.wait(lock, [this] { return !queue_.empty() || stopping_; });
            --waiting_;
            work_node* const node = queue_.pop();
            if (node == nullptr) {
                return;
            }
            lock.unlock();
            auto& op = static_cast<operation&>(*node);
            op.result = call_(op);
            deliver_(op); // PUBLISHED
            lock.lock();
        }
    }

    const caller call_;
    const receiver deliver_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    work_list queue_;
    std::vector<std::thread> threads_;
    std::size_t waiting_ = 0;
    bool stopping_ = false;
};

} // namespace aloft::inline ALOFT_ABI::detail

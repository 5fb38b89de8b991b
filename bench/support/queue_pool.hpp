// SPDX-License-Identifier: MIT
// queue_pool: the thread pool that one writes in an afternoon, a queue under a mutex.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

class queue_pool {
public:
    explicit queue_pool(std::size_t threads) {
        for (std::size_t i = 0; i < threads; ++i) {
            threads_.emplace_back([this] { work(); });
        }
    }
    queue_pool(const queue_pool&) = delete;
    queue_pool& operator=(const queue_pool&) = delete;
    ~queue_pool() {
        {
            const std::scoped_lock lock(mutex_);
            ended_ = true;
        }
        changed_.notify_all();
        for (std::thread& thread : threads_) {
            thread.join();
        }
    }

    template <class Function>
    [[nodiscard]] std::future<int> submit(Function function) {
        std::packaged_task<int()> call(std::move(function));
        std::future<int> answer = call.get_future();
        {
            const std::scoped_lock lock(mutex_);
            queue_.push_back(std::move(call));
        }
        changed_.notify_one();
        return answer;
    }

private:
    void work() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return ended_ || !queue_.empty(); });
            if (queue_.empty()) {
                return;
            }
            std::packaged_task<int()> call = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            call();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::packaged_task<int()>> queue_;
    bool ended_ = false;
    std::vector<std::thread> threads_;
};

} // namespace bench

// SPDX-License-Identifier: MIT
// blocks_bare <rounds> [<piece>]: the floor under blocks_aloft. Coroutines and nothing else: a lazy
// task with symmetric transfer, frames from operator new, locks of one atomic word whose waiting side
// is not there. No scheduler, no runtime, nothing is stopped, nobody waits.
#include "measure.hpp"

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

namespace {

template <class T>
class task;

struct promise_base {
    std::coroutine_handle<> continuation;
    std::exception_ptr error;

    struct final_awaiter {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
            const std::coroutine_handle<> next = ended.promise().continuation;
            return next ? next : std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };
    std::suspend_always initial_suspend() const noexcept { return {}; }
    final_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { error = std::current_exception(); }
};

template <class T>
struct promise : promise_base {
    std::optional<T> value;
    task<T> get_return_object() noexcept;
    void return_value(T v) { value = std::move(v); }
    T take() {
        if (error) {
            std::rethrow_exception(error);
        }
        return std::move(*value);
    }
};

template <>
struct promise<void> : promise_base {
    task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void take() const {
        if (error) {
            std::rethrow_exception(error);
        }
    }
};

template <class T>
class [[nodiscard]] task {
public:
    using promise_type = promise<T>;
    using handle = std::coroutine_handle<promise_type>;

    explicit task(handle h) noexcept : coroutine_(h) {}
    task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, {})) {}
    ~task() {
        if (coroutine_) {
            coroutine_.destroy();
        }
    }
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) const noexcept {
        coroutine_.promise().continuation = parent;
        return coroutine_;
    }
    T await_resume() const { return coroutine_.promise().take(); }
    handle coroutine_;
};

template <class T>
task<T> promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<promise<T>>::from_promise(*this));
}
task<void> promise<void>::get_return_object() noexcept {
    return task<void>(std::coroutine_handle<promise<void>>::from_promise(*this));
}

/// A word, taken and given back as an uncontended lock is. (Contended, it would be wrong.)
struct word_lock {
    std::atomic<std::size_t> word{0};
    bool await_ready() noexcept {
        std::size_t free = 0;
        return word.compare_exchange_strong(free, 1, std::memory_order_acquire);
    }
    void await_suspend(std::coroutine_handle<>) const noexcept { std::terminate(); }
    void await_resume() const noexcept {}
    void release() noexcept { word.exchange(0, std::memory_order_release); }
};

task<int> ready(int value) {
    co_return value;
}

task<void> await_ready_task(std::size_t rounds) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        sum += static_cast<std::size_t>(co_await ready(1));
    }
    field::must_be(sum == rounds, "tasks");
}

task<void> use_mutex(std::size_t rounds) {
    word_lock lock;
    for (std::size_t i = 0; i < rounds; ++i) {
        co_await lock;
        lock.release();
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t rounds = field::argument(argc, argv, 1, 1'000'000);
    const struct {
        const char* name;
        task<void> (*run)(std::size_t);
    } each_piece[] = {{"task_ns", &await_ready_task}, {"mutex_ns", &use_mutex}};
    for (const auto& [name, run] : each_piece) {
        if (argc > 2 && std::strcmp(argv[2], name) != 0) {
            continue;
        }
        const double begin = field::seconds_now();
        const task<void> all = run(rounds);
        all.coroutine_.resume();
        all.await_resume();
        field::report(name, (field::seconds_now() - begin) * 1e9 / static_cast<double>(rounds));
    }
}

// SPDX-License-Identifier: MIT
// runtime: the pool of workers that runs tasks, each with a completion ring of its own.
// Layer: L3 runtime
//
// How the workers share the work: detail/runtime/worker.hpp; why no wake-up is lost:
// detail/runtime/idle.hpp; how it ends: detail/runtime/scheduler.hpp.
#pragma once

#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/reactor/process_fence.hpp>
#include <aloft/detail/runtime/make_reactors.hpp>
#include <aloft/detail/runtime/scheduler.hpp>
#include <aloft/runtime_options.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace aloft::inline ALOFT_ABI {

class runtime;

/// The runtime that is used where none is named; made, with default options, on first use and
/// destroyed at the end of the program.
runtime& default_runtime();

/// Purpose: runs tasks on a fixed number of workers, and blocking calls on further threads.
///
/// Thread safety: the members may be called on any thread; the destructor on one that is no worker
/// of this runtime.
/// Lifetime: must outlive the tasks' uses of it, which it enforces: the destructor makes every
/// operation in flight, and every one that is begun later, end with std::errc::operation_canceled,
/// waits until every task has ended, and leaks nothing. A task that waits for something that never
/// comes and that no operation of the library stands behind keeps the destructor waiting.
/// After fork() the child has none of the threads: there the destructor does nothing, and using the
/// runtime ends the program with a sentence that says so.
/// Errors: the constructor throws std::system_error that names the option, or the resource that is
/// missing; then nothing is left behind.
/// Cost: per worker a thread, a ring and an event descriptor.
class runtime : public detail::environment_owner {
public:
    explicit runtime(const runtime_options& options = {}) {
        check("threads", options.threads().value_or(1), runtime_options::most_threads);
        check("blocking_threads", options.blocking_threads(),
              runtime_options::most_blocking_threads);
        check("ring_entries", options.ring_entries(), runtime_options::most_ring_entries);
        check("spare_workers", options.spare_workers(), runtime_options::most_spare_workers, 0);
        const std::size_t workers = options.threads().value_or(
            std::max<std::size_t>(std::thread::hardware_concurrency(), 1));
        detail::choose_process_fence();
        detail::chosen_reactors chosen = detail::make_reactors(options, workers);
        backend_ = std::move(chosen.description);
        scheduler_ = std::make_unique<detail::scheduler>(
            std::move(chosen), options,
            options.on_unhandled() ? options.on_unhandled() : &runtime::print_and_terminate);
        root_.exec = scheduler_.get();
        scheduler_->start(root_);
    }
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;
    ~runtime() {
        if (scheduler_->is_of_another_process()) {
            detail::scheduler::leave_behind(std::move(scheduler_));
        }
    }

    /// The runtime that this thread works for; on any other thread the default runtime.
    [[nodiscard]] static runtime& current() {
        const detail::environment* env = detail::current_environment();
        return env == nullptr ? default_runtime() : *static_cast<runtime*>(env->owner);
    }

    /// The number of workers.
    [[nodiscard]] std::size_t threads() const noexcept { return scheduler_->threads(); }

    /// The number of threads that the blocking pool has at this moment.
    [[nodiscard]] std::size_t blocking_threads() const { return scheduler_->blocking_threads(); }

    /// Which backend runs, and what is to be said about it.
    [[nodiscard]] std::string_view backend() const noexcept { return backend_; }

private:
    static void check(const char* option, std::size_t value, std::size_t most,
                      std::size_t least = 1) {
        if (value < least || value > most) {
            detail::throw_error(std::make_error_code(std::errc::invalid_argument),
                                std::string("runtime_options::") + option + ": " +
                                    std::to_string(value) + " is not between " +
                                    std::to_string(least) + " and " + std::to_string(most));
        }
    }

    static void print_and_terminate(std::exception_ptr error, std::string_view task_name) noexcept {
        const int length = static_cast<int>(task_name.size());
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "aloft: nobody collected an exception of %.*s: %s\n", length,
                         task_name.data(), e.what());
        } catch (...) {
            std::fprintf(stderr, "aloft: nobody collected an exception of %.*s\n", length,
                         task_name.data());
        }
        std::terminate();
    }

    std::string backend_;
    std::unique_ptr<detail::scheduler> scheduler_;
};

inline runtime& default_runtime() {
    static runtime instance;
    return instance;
}

namespace detail {

/// Installs the default runtime for the coroutine layer during static initialisation.
inline const bool default_runtime_installed = [] {
    default_environment_hook = []() -> const environment& {
        return default_runtime().root_environment();
    };
    return true;
}();

} // namespace detail

/// About the thread that calls.
namespace this_worker {

/// The number of the worker that this thread is, from 0, or -1 on every other thread.
[[nodiscard]] inline int index() noexcept {
    const detail::worker* const here = detail::current_worker();
    return here == nullptr ? -1 : static_cast<int>(here->index());
}

} // namespace this_worker
} // namespace aloft::inline ALOFT_ABI

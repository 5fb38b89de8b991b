// SPDX-License-Identifier: MIT
// runtime: the pool of workers that runs tasks, each with a completion ring of its own.
// Layer: L3 runtime
//
// How the workers share the work: detail/runtime/worker.hpp; why no wake-up is lost:
// detail/runtime/idle.hpp; how it ends: detail/runtime/scheduler.hpp.
#pragma once

#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/runtime/entrance.hpp>
#include <aloft/runtime_options.hpp>

#if !ALOFT_SEPARATE
#include <aloft/detail/runtime/entrance_definitions.hpp>
#endif

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace aloft::inline ALOFT_ABI {

class runtime;

namespace detail {
template <class>
class simulation;
}

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
/// comes and that no operation of the library stands behind keeps the destructor waiting. Declare
/// the runtime behind what its tasks refer to.
/// After fork() the child has none of the threads: there the destructor does nothing, and using the
/// runtime ends the program with a sentence that says so.
/// Errors: the constructor throws std::system_error that names the option, or the resource that is
/// missing; then nothing is left behind.
/// Cost: per worker a thread, a ring or an epoll instance, and an event descriptor.
class runtime : public detail::environment_owner {
public:
    explicit runtime(const runtime_options& options = {})
        : executor_(detail::open_scheduler(options, *this, root_, backend_)) {}
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;
    ~runtime() { executor_->close(); }

    /// The runtime that this thread works for; on any other thread the default runtime.
    [[nodiscard]] static runtime& current() {
        const detail::environment* env = detail::current_environment();
        return env == nullptr ? default_runtime() : *static_cast<runtime*>(env->exec->owner);
    }

    /// The number of workers.
    [[nodiscard]] std::size_t threads() const noexcept { return executor_->threads(); }

    /// The number of threads that the blocking pool has at this moment.
    [[nodiscard]] std::size_t blocking_threads() const { return executor_->blocking_threads(); }

    /// Which backend runs and what is to be said about it: "io_uring, 256 entries per worker", or, where
    /// io_uring is refused, "epoll: io_uring_setup: EPERM".
    [[nodiscard]] std::string_view backend() const noexcept { return backend_; }

private:
    template <class>
    friend class detail::simulation;

    /// For tasks that are simulated.
    runtime(detail::operation_executor& simulated, std::string backend)
        : backend_(std::move(backend)), executor_(&simulated) {}

    std::string backend_;
    detail::operation_executor* executor_;
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

/// The number of the worker that this thread is, from 0, or -1 on every other thread. Spare workers
/// (runtime_options::spare_workers) have numbers behind those of the others.
[[nodiscard]] inline int index() noexcept {
    return detail::current_worker_index();
}

} // namespace this_worker
} // namespace aloft::inline ALOFT_ABI

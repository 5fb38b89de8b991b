// SPDX-License-Identifier: MIT
// What the public runtime and the operations use of the scheduler; all that every translation unit
// sees of it if ALOFT_SEPARATE is set. The definitions: entrance_definitions.hpp.
// Layer: L3 runtime
//
// 1. A task's operations go to its own runtime, whose destructor cancels them; also when somebody
//    else's thread, or another runtime's worker, happens to run the task.
// 2. Finding the place may throw (the default runtime may have to be made); starting never does.
#pragma once

#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/reactor/operation.hpp>
#include <aloft/detail/reactor/timer.hpp>
#include <aloft/error.hpp>
#include <aloft/runtime_options.hpp>

#include <cstddef>
#include <string>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

class worker;

/// An executor whose tasks can wait for the operating system and for time.
class operation_executor : public executor {
public:
    /// Starts an operation or a timer on behalf of a thread that is none of its workers.
    virtual void start_foreign(operation& op) noexcept = 0;
    virtual void start_foreign(timer& t) noexcept = 0;

    /// Ends a stoppable timer early, as refused, unless it has fired; its coroutine is posted to `to`,
    /// which is this executor or stands before it. Any thread, while the timer exists.
    virtual void refuse(timer& t, executor& to) noexcept = 0;

    [[nodiscard]] virtual std::size_t threads() const noexcept = 0;
    [[nodiscard]] virtual std::size_t blocking_threads() const = 0;

    [[noreturn]] void refuse_to_block(const char* sentence) override {
        throw_error(std::make_error_code(std::errc::resource_deadlock_would_occur), sentence);
    }

    /// Its owner's last call. In a child process after fork() it does nothing.
    virtual void close() noexcept = 0;

protected:
    ~operation_executor() = default;
};

/// Makes a scheduler and starts its threads; throws std::system_error. `root`, the owner's, is what
/// its tasks inherit. `description` gets what is to be said about the backend.
[[nodiscard]] ALOFT_SEPARABLE operation_executor* open_scheduler(const runtime_options& options,
                                                                 environment_owner& owner,
                                                                 environment& root,
                                                                 std::string& description);

/// The number of the worker that this thread is, or -1.
[[nodiscard]] ALOFT_SEPARABLE int current_worker_index() noexcept;

/// Where operations and timers start: on this worker, or on some worker of the task's runtime.
class start_place {
public:
    ALOFT_SEPARABLE explicit start_place(const environment* env);

    /// From now on `op` belongs to a reactor, and its coroutine is resumed on a worker. True: it has
    /// ended already, with its result set, and the coroutine goes on.
    [[nodiscard]] ALOFT_SEPARABLE bool start(operation& op) const noexcept;

    /// False: the runtime is stopping; the timer is marked as refused and its coroutine goes on.
    [[nodiscard]] ALOFT_SEPARABLE bool start(timer& t) const noexcept;

private:
    worker* here_;
    operation_executor* elsewhere_ = nullptr;
};

/// For a frame that is destroyed while `op` is in flight: returns when nobody will touch it.
ALOFT_SEPARABLE void abandon(operation& op) noexcept;

/// Asks an operation that is stoppable to end early. Any thread, while the record exists, whether it
/// has been started or not.
ALOFT_SEPARABLE void request_stop(operation& op) noexcept;

/// True if an armed timer was taken out; false if it has fired, or, being stoppable, has not been
/// added yet and will be refused.
[[nodiscard]] ALOFT_SEPARABLE bool remove(timer& t) noexcept;

/// How an operation that can complete at once goes on then: not tried outside of workers; at once, or,
/// after many of those, behind what is ready, so that others have their turn.
enum class attempt_turn : unsigned char { none, at_once, behind_others };
[[nodiscard]] ALOFT_SEPARABLE attempt_turn turn_of_attempt() noexcept;

/// Whether this thread works for a runtime that is being destroyed.
[[nodiscard]] ALOFT_SEPARABLE bool is_stopping_here() noexcept;

} // namespace aloft::inline ALOFT_ABI::detail

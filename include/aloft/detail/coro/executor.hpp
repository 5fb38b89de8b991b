// SPDX-License-Identifier: MIT
// What the coroutine layer needs of a runtime: somewhere to put work. No threads, no system calls.
// Layer: L1 coro
//
// 1. An executor outlives every task that was started on it (the runtime's destructor joins them).
//    Some are a runtime's, `pool` being themselves; others order the work that they hand on to one.
// 2. An environment is what a task hands on to the tasks it awaits; it outlives all of them. It is
//    written before the first of them starts and never afterwards. Most tasks have their runtime's
//    root environment; what gives its children another one (with_stop, when_all and so on) holds it
//    in its awaiter. What may outlive the awaiting task (spawn) inherits no bindings of it.
// 3. Nothing here but sink() and refuse_to_block() fails or allocates: the node is the storage.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/detail/coro/unhandled_sink.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>

namespace aloft::inline ALOFT_ABI {
enum class priority : unsigned char; // priority.hpp
}

namespace aloft::inline ALOFT_ABI::detail {

/// A call for the blocking pool. `run` is called once; a kind other than `run` says that the call
/// was withdrawn, that the pool is shutting down, or that it could not start a thread, and that
/// nothing may block.
struct blocking_call {
    enum class outcome_kind : unsigned char { run, canceled, no_thread };
    enum class phase_kind : unsigned char { fresh, queued, answered, withdrawn };
    blocking_call* next = nullptr;
    void (*run)(blocking_call&, outcome_kind) noexcept = nullptr;
    phase_kind phase = phase_kind::fresh; // the pool's
};

class environment_owner;
struct environment;

/// What tasks see instead of the machine where a program is simulated.
struct simulated_world {
    std::int64_t now = 0;                      // of its clock, in nanoseconds
    virtual std::uint64_t draw() noexcept = 0; // the next number that the seed gives

protected:
    ~simulated_world() = default;
};

class executor {
public:
    executor() = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;

    /// The executor whose workers run what this one is given: itself, or that below a strand.
    executor* pool = this;

    /// The runtime, and what its destructor stops. Written before the first task starts.
    environment_owner* owner = nullptr;
    stop_state* root_stop = nullptr;
    simulated_world* world = nullptr; // nullptr: the machine

    /// What tasks inherit that are started on it and have no parent.
    const environment* root = nullptr;

    /// Where work of this class goes. What orders its work itself knows no classes.
    [[nodiscard]] virtual executor& in_class(priority) noexcept { return *this; }

    /// Makes a coroutine runnable behind what is runnable already. Any thread.
    virtual void post(work_node& node) noexcept = 0;

    /// The same for a coroutine for which the calling worker's deque has no room, or that comes from
    /// another thread. Whoever can uses fork() of local_worker.hpp.
    virtual void fork_elsewhere(work_node& node) noexcept = 0;

    /// Posts a whole list. Any thread.
    virtual void post_all(work_list&& nodes) noexcept = 0;

    /// To be called when work was made visible in a worker's queue while somebody slept.
    virtual void wake_for_work() noexcept = 0;

    /// To be called by a worker that has many forks while others may have nothing: local_worker.hpp, 5.
    virtual void share_forks() noexcept {}

    virtual void run_blocking(blocking_call& call) noexcept = 0;

    /// A call that has not begun is answered as canceled, now or when it comes. Any thread.
    virtual void withdraw_blocking(blocking_call& call) noexcept = 0;

    /// Bracket the life of a task that the runtime has to join, on threads that are not its workers.
    virtual void task_started_outside() noexcept = 0;
    virtual void task_finished_outside() noexcept = 0;

    /// Somebody wants to block one of its workers: throws std::system_error, if there is a runtime.
    [[noreturn]] virtual void refuse_to_block(const char* sentence) { fail(sentence); }

    /// Where exceptions go that nobody collects. It outlives the executor.
    [[nodiscard]] virtual sink_pointer sink() const noexcept = 0;

protected:
    ~executor() = default;
};

/// A value of a task_local, for what is awaited inside. It lives in the awaiter that binds it.
struct local_binding {
    const void* variable = nullptr;
    const void* value = nullptr;
    const local_binding* outer = nullptr;
};

/// What every awaited child inherits.
struct environment {
    executor* exec = nullptr;              // nullptr: no runtime
    stop_state* stop = nullptr;            // nullptr: only the runtime's end stops it
    const local_binding* locals = nullptr; // the innermost; nullptr: every variable has its default

    /// For children that are joined before `outer` goes, and that `own_stop` stops.
    ALOFT_ALWAYS_INLINE void inherit(const environment* outer, stop_state* own_stop) noexcept {
        if (outer != nullptr) [[likely]] {
            exec = outer->exec;
            locals = outer->locals;
        }
        stop = own_stop;
    }
};

constinit inline thread_local const environment* thread_environment = nullptr;

/// The environment of the worker that this thread is, or nullptr.
[[nodiscard]] ALOFT_NOINLINE inline const environment* current_environment() noexcept {
    return thread_environment;
}

ALOFT_NOINLINE inline void set_current_environment(const environment* env) noexcept {
    thread_environment = env;
}

/// The executor whose worker this thread is, or nullptr.
[[nodiscard]] inline executor* current_executor() noexcept {
    const environment* env = current_environment();
    return env == nullptr ? nullptr : env->exec;
}

[[nodiscard]] inline executor* executor_of(const environment* env) noexcept {
    return env == nullptr ? nullptr : env->exec;
}
/// The world that this environment's tasks are simulated in, or nullptr.
[[nodiscard]] inline simulated_world* world_of(const environment* env) noexcept {
    return env == nullptr || env->exec == nullptr ? nullptr : env->exec->pool->world;
}
[[nodiscard]] inline stop_state* stop_of(const environment* env) noexcept {
    return env == nullptr ? nullptr : env->stop;
}

/// What a new stop state stands below: what stops the task, or else its runtime's end.
[[nodiscard]] inline stop_state* stop_above(const environment* env) noexcept {
    if (env == nullptr || env->stop != nullptr) {
        return stop_of(env);
    }
    return env->exec == nullptr ? nullptr : env->exec->root_stop;
}

/// The environment of a coroutine: its own if it is one of ours, the thread's otherwise.
template <class Promise>
[[nodiscard]] const environment* environment_of(std::coroutine_handle<Promise> coroutine) noexcept {
    if constexpr (requires {
                      { coroutine.promise().env } -> std::convertible_to<const environment*>;
                  }) {
        return coroutine.promise().env;
    } else {
        return current_environment();
    }
}

} // namespace aloft::inline ALOFT_ABI::detail

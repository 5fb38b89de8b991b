// SPDX-License-Identifier: MIT
// The runtime as the coroutine layer knows it, and which one a thread has that is no worker.
// Layer: L1 coro
//
// The coroutine layer knows no runtime. A program that includes runtime.hpp anywhere has one: that
// header installs the hook during static initialisation, and nothing writes it later.
#pragma once

#include <aloft/detail/coro/executor.hpp>

namespace aloft::inline ALOFT_ABI::detail {

using environment_hook = const environment& (*)();
constinit inline environment_hook default_environment_hook = nullptr;

/// The worker's environment, the default runtime's, or nullptr where there is no runtime at all.
[[nodiscard]] inline const environment* find_environment() {
    const environment* env = current_environment();
    if (env == nullptr && default_environment_hook != nullptr) {
        env = &default_environment_hook();
    }
    return env;
}

/// Where tasks can be started: a runtime, or a strand on one.
class task_place {
public:
    [[nodiscard]] const environment& root_environment() const noexcept { return root_; }

    task_place(const task_place&) = delete;
    task_place& operator=(const task_place&) = delete;

protected:
    task_place() = default;
    ~task_place() = default;
    environment root_{};
};

/// What a runtime is to the coroutine layer.
class environment_owner : public task_place {
public:
    /// What the destructor stops first. Tasks whose environment names no stop state have no other.
    [[nodiscard]] stop_state& root_stop() noexcept { return root_stop_; }

protected:
    environment_owner() = default;
    ~environment_owner() = default;
    stop_state root_stop_;
};

} // namespace aloft::inline ALOFT_ABI::detail

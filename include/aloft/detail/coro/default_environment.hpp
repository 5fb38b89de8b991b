// SPDX-License-Identifier: MIT
// Where tasks go that are started on a thread that is no worker.
// Layer: L1 coro
#pragma once

#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/find_environment.hpp>
#include <aloft/error.hpp>

#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

[[noreturn]] ALOFT_NOINLINE inline void refuse_without_runtime(const char* who) {
    throw_error(std::make_error_code(std::errc::operation_not_permitted), who,
                ": the program has no runtime; include <aloft/runtime.hpp>");
}

/// The same, or std::system_error where there is none.
[[nodiscard]] inline const environment& need_environment(const char* who) {
    const environment* env = find_environment();
    if (env == nullptr) {
        refuse_without_runtime(who);
    }
    return *env;
}

/// That of the environment, or else of this thread or the default runtime.
[[nodiscard]] inline executor& need_executor(const environment* env, const char* who) {
    executor* const exec = executor_of(env);
    return exec != nullptr ? *exec : *need_environment(who).exec;
}

} // namespace aloft::inline ALOFT_ABI::detail

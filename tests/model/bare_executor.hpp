// SPDX-License-Identifier: MIT
// An executor of which a model uses the queue alone.
#pragma once

#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/unhandled_sink.hpp>

namespace model {

class bare_executor : public aloft::detail::executor {
public:
    void fork_elsewhere(aloft::detail::work_node& node) noexcept override { post(node); }
    void wake_for_work() noexcept override {}
    void run_blocking(aloft::detail::blocking_call&) noexcept override {}
    void withdraw_blocking(aloft::detail::blocking_call&) noexcept override {}
    void task_started_outside() noexcept override {}
    void task_finished_outside() noexcept override {}
    [[nodiscard]] aloft::detail::sink_pointer sink() const noexcept override { return {}; }

protected:
    ~bare_executor() = default;
};

} // namespace model

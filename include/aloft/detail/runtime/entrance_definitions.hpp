// SPDX-License-Identifier: MIT
// The definitions of entrance.hpp: inline, or, if ALOFT_SEPARATE is set, for one translation unit.
// Layer: L3 runtime
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/lean_memory.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/reactor/process.hpp>
#include <aloft/detail/reactor/process_fence.hpp>
#include <aloft/detail/runtime/entrance.hpp>
#include <aloft/detail/runtime/make_reactors.hpp>
#include <aloft/detail/runtime/scheduler.hpp>
#include <aloft/error.hpp>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

ALOFT_COLD inline void check_option(const char* option, std::size_t value, std::size_t most,
                                    std::size_t least = 1) {
    if (value < least || value > most) {
        throw_error(std::make_error_code(std::errc::invalid_argument),
                    std::string("runtime_options::") + option + ": " + std::to_string(value) +
                        " is not between " + std::to_string(least) + " and " +
                        std::to_string(most));
    }
}

ALOFT_COLD inline void print_and_terminate(std::exception_ptr error,
                                           std::string_view task_name) noexcept {
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

ALOFT_SEPARABLE operation_executor* open_scheduler(const runtime_options& options,
                                                   environment_owner& owner, environment& root,
                                                   std::string& description) {
    check_option("threads", options.threads().value_or(1), runtime_options::most_threads);
    check_option("blocking_threads", options.blocking_threads(),
                 runtime_options::most_blocking_threads);
    check_option("ring_entries", options.ring_entries(), runtime_options::most_ring_entries);
    check_option("spare_workers", options.spare_workers(), runtime_options::most_spare_workers, 0);
    check_option("spin, in nanoseconds", static_cast<std::size_t>(options.spin().count()),
                 static_cast<std::size_t>(runtime_options::most_spin.count()), 0);
    const std::size_t workers =
        options.threads().value_or(std::max<std::size_t>(std::thread::hardware_concurrency(), 1));
    choose_process_fence();
    offer_slab_memory();
    chosen_reactors chosen = make_reactors(options, workers);
    description = std::move(chosen.description);
    auto made = std::make_unique<scheduler>(std::move(chosen), options,
                                            options.on_unhandled() ? options.on_unhandled()
                                                                   : &print_and_terminate);
    root.exec = made.get();
    made->owner = &owner;
    made->root_stop = &owner.root_stop();
    made->start(root);
    return made.release();
}

ALOFT_SEPARABLE int current_worker_index() noexcept {
    const worker* const here = current_worker();
    return here == nullptr ? -1 : static_cast<int>(here->index());
}

ALOFT_SEPARABLE start_place::start_place(const environment* env) : here_(current_worker()) {
    if (executor_of(env) == nullptr) {
        env = nullptr;
    }
    if (env == nullptr && here_ == nullptr) {
        env = &need_environment("an operation");
    }
    if (env != nullptr && (here_ == nullptr || here_->shared().exec != env->exec->pool)) {
        here_ = nullptr;
        elsewhere_ = static_cast<operation_executor*>(env->exec->pool);
    }
}

ALOFT_SEPARABLE bool start_place::start(operation& op) const noexcept {
    if (here_ != nullptr) [[likely]] {
        return here_->submit(op); // PUBLISHED
    }
    elsewhere_->start_foreign(op); // PUBLISHED
    return false;
}

ALOFT_SEPARABLE bool start_place::start(timer& t) const noexcept {
    if (here_ != nullptr) [[likely]] {
        return here_->start_timer(t);
    }
    elsewhere_->start_foreign(t); // PUBLISHED
    return true;
}

ALOFT_SEPARABLE void abandon(operation& op) noexcept {
    require(op.home != nullptr,
            "a frame was destroyed before a worker had taken its operation over");
    op.home->abandon(op);
}

ALOFT_SEPARABLE void request_stop(operation& op) noexcept {
    op.stop_wanted.store(true, std::memory_order_seq_cst); // against the phase: operation.hpp, 7
    // order(operation.phase): acquire; the operation's home is known
    if (op.phase.load(std::memory_order_seq_cst) == operation_phase::in_flight) {
        op.home->cancel(op);
    }
}

ALOFT_SEPARABLE bool remove(timer& t) noexcept {
    return timers::take_out(t);
}

ALOFT_SEPARABLE attempt_turn turn_of_attempt() noexcept {
    worker* const here = current_worker();
    if (here == nullptr || here->call_joins_batch()) {
        return attempt_turn::none;
    }
    return here->spend_budget() ? attempt_turn::at_once : attempt_turn::behind_others;
}

ALOFT_SEPARABLE bool is_stopping_here() noexcept {
    const worker* const here = current_worker();
    return here != nullptr && here->stopping();
}

} // namespace aloft::inline ALOFT_ABI::detail

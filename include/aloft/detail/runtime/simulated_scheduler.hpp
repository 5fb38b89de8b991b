// SPDX-License-Identifier: MIT
// The executor of a simulated world: one thread, a clock of its own, and a seed that chooses.
// Layer: L3 runtime
//
// A step: everything whose time has come happens; then a little time passes, and one of the coroutines
// that are ready, chosen by the seed, is resumed until it suspends. With nothing ready the clock jumps
// to the next event. With no event left nothing will ever happen: the world stands still.
//
// 1. All of it runs on the thread that made it, which is checked where work comes in: what another
//    thread does at a time of its own cannot be replayed.
// 2. Every ready coroutine is chosen with the same chance, however long it has been waiting, so every
//    order that the runtime's workers could produce can come about. Two of them never run at once:
//    what is explored is the order between suspensions, not data races.
// 3. A call that is offloaded runs in place of a step, as if on a thread that is no worker.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/coro/cancellation.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/transfer.hpp>
#include <aloft/detail/reactor/simulated_kernel.hpp>
#include <aloft/detail/reactor/timers.hpp>
#include <aloft/detail/runtime/simulated_entrance.hpp>
#include <aloft/simulation_options.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

/// A template for the reason that simulated_kernel is one.
template <class Nothing = void>
class simulated_scheduler final : public simulated_executor {
public:
    simulated_scheduler(std::uint64_t seed, const simulation_options& options)
        : kernel_(seed, options), errors_(new error_list), sink_(errors_) {
        world = &kernel_;
    }

    [[nodiscard]] outcome run_until(const bool& ended) override {
        return run([&] { return ended; });
    }
    [[nodiscard]] outcome run_to_the_end() override {
        return run([&] { return tasks() == 0; });
    }

    void stop() override {
        stopping_ = true;
        errors_->stop();
        if (root_stop != nullptr) {
            (void)root_stop->request_stop();
        }
        kernel_.refuse_all();
        work_list refused;
        timers_.refuse_all(refused);
        post_all(std::move(refused));
        steps_ = 0; // what is left to do is to end
    }

    [[nodiscard]] std::uint64_t tasks() const noexcept override { return started_ - ended_; }
    [[nodiscard]] std::uint64_t digest() const noexcept override { return kernel_.digest(); }
    [[nodiscard]] clock_ns passed() const noexcept override {
        return kernel_.now - simulated_dice::beginning;
    }
    [[nodiscard]] std::exception_ptr uncollected() const noexcept override {
        return errors_->first;
    }

    void post(work_node& node) noexcept override {
        require(std::this_thread::get_id() == thread_,
                "another thread resumes a task that is simulated: that cannot be replayed");
        ready_.push_back(&node);
    }
    void fork_elsewhere(work_node& node) noexcept override { post(node); }
    void post_all(work_list&& nodes) noexcept override {
        while (work_node* const node = nodes.pop()) {
            post(*node);
        }
    }
    void wake_for_work() noexcept override {}

    void run_blocking(blocking_call& call) noexcept override {
        if (stopping_ || call.phase == blocking_call::phase_kind::withdrawn) {
            answer(call, blocking_call::outcome_kind::canceled);
            return;
        }
        call.phase = blocking_call::phase_kind::queued;
        const clock_ns delay = kernel_.draw_time(kernel_.options().blocking_delay());
        calls_.push_back(&call);
        kernel_.at(kernel_.now + delay, [this, &call] {
            if (std::erase(calls_, &call) == 0) {
                return; // it was withdrawn, and the record may be gone
            }
            kernel_.note("offloaded call", 0, "runs; still waiting",
                         static_cast<std::int64_t>(calls_.size()));
            set_current_environment(nullptr);
            answer(call, blocking_call::outcome_kind::run);
            set_current_environment(root);
        });
    }

    void withdraw_blocking(blocking_call& call) noexcept override {
        if (call.phase == blocking_call::phase_kind::fresh) {
            call.phase = blocking_call::phase_kind::withdrawn;
        } else if (std::erase(calls_, &call) != 0) {
            answer(call, blocking_call::outcome_kind::canceled);
        }
    }

    void task_started_outside() noexcept override { ++started_; }
    void task_finished_outside() noexcept override { ++ended_; }
    [[nodiscard]] sink_pointer sink() const noexcept override { return sink_; }

    void start_foreign(operation& op) noexcept override { kernel_.submit(op); }
    void start_foreign(timer& t) noexcept override {
        if (!timers_.add(t)) {
            post(t);
        }
    }

    void refuse(timer& t, executor& to) noexcept override {
        if (timers::take_out(t)) {
            t.phase = timer_phase::refused;
            to.post(t);
        }
    }

    [[nodiscard]] std::size_t threads() const noexcept override { return 1; }
    [[nodiscard]] std::size_t blocking_threads() const override { return 0; }
    void close() noexcept override {}

private:
    class error_list final : public unhandled_sink {
    public:
        void report(std::exception_ptr error, const char*) noexcept override {
            if (first == nullptr && !(stopping_ && is_cancellation(error))) {
                first = std::move(error);
            }
        }
        void stop() noexcept { stopping_ = true; }
        std::exception_ptr first;

    private:
        bool stopping_ = false;
    };

    /// Runs until `done` says so.
    template <class Done>
    [[nodiscard]] outcome run(const Done& done) {
        const environment* const before = current_environment();
        set_current_environment(root);
        outcome ended = outcome::done;
        while (!done()) {
            if (steps_ >= kernel_.options().most_steps()) {
                ended = outcome::too_many_steps;
                break;
            }
            if (!step()) {
                ended = outcome::stands_still;
                break;
            }
        }
        set_current_environment(before);
        return ended;
    }

    /// False: nothing is ready, and nothing is going to happen.
    [[nodiscard]] bool step() {
        collect();
        if (ready_.empty()) {
            const clock_ns next = (std::min)(kernel_.next_event(), timers_.next());
            if (next == no_deadline) {
                return false;
            }
            kernel_.now = (std::max)(kernel_.now, next);
            return true;
        }
        ++steps_;
        const std::size_t chosen = kernel_.draw_below(ready_.size());
        work_node* const node = ready_[chosen];
        ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(chosen));
        kernel_.note("ready task", chosen, "runs; others ready",
                     static_cast<std::int64_t>(ready_.size()));
        const clock_ns took = kernel_.draw_time(kernel_.options().step());
        kernel_.now += took; // before it runs, so that it sees that it was kept waiting
        resume_chain(node->coroutine);
        return true;
    }

    /// What has happened by now becomes ready.
    void collect() {
        kernel_.run_due();
        work_list list;
        kernel_.collect(list);
        timers_.collect(kernel_.now, list);
        post_all(std::move(list));
    }

    static void answer(blocking_call& call, blocking_call::outcome_kind kind) noexcept {
        call.phase = blocking_call::phase_kind::answered;
        call.run(call, kind);
    }

    simulated_kernel<Nothing> kernel_;
    timers timers_;
    std::vector<work_node*> ready_; // in the order in which they became ready
    std::vector<blocking_call*> calls_;
    error_list* errors_; // sink_ owns it
    sink_pointer sink_;
    std::uint64_t steps_ = 0;
    std::uint64_t started_ = 0;
    std::uint64_t ended_ = 0;
    bool stopping_ = false;
    const std::thread::id thread_ = std::this_thread::get_id();
};

#if !ALOFT_SEPARATE
template <class Nothing>
#endif
simulated_executor* open_simulation(std::uint64_t seed, const simulation_options& options) {
#if !ALOFT_SEPARATE
    return new simulated_scheduler<Nothing>(seed, options);
#else
    return new simulated_scheduler<>(seed, options);
#endif
}

} // namespace aloft::inline ALOFT_ABI::detail

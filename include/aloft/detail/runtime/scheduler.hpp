// SPDX-License-Identifier: MIT
// The executor that a runtime is: its workers' threads, its blocking pool, and their orderly end.
// Layer: L3 runtime
//
// Life cycle: constructed (rings and threads exist, or nothing does and the constructor throws) ->
// stop() -> joined.
//
// stop() in order: 1. Calls that wait for a blocking thread are refused, and all later ones. 2.
// The root stop state cancels what waits for other tasks. Then
// stopping is set; every worker cancels what it has in flight and refuses what comes later with
// "operation canceled". 3. The tasks run to their ends, by their own exception handling, and the
// blocking threads are joined. 4. The worker that finds all tasks ended sets terminated; each worker
// leaves when nothing of its own is in flight. 5. The workers' threads are joined, the watcher's, the
// spares', and rings closed.
//
// A call that is offloaded is answered while there are workers, also where what waits for it is no task
// of the library and so does not keep them: from before stopping is set until the pool has answered the
// last call and its threads are joined, the pool counts as one task that was started outside. Its answers
// are in the inject queue before it counts as ended, and so before terminated is set: each worker that
// leaves looks there behind that (worker_end.hpp). A later call is refused by the thread that brings it.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/lean_function.hpp>
#include <aloft/detail/base/lean_memory.hpp>
#include <aloft/detail/coro/cancellation.hpp>
#include <aloft/detail/reactor/process.hpp>
#include <aloft/detail/reactor/start_thread.hpp>
#include <aloft/detail/reactor/timers.hpp>
#include <aloft/detail/runtime/blocking_pool.hpp>
#include <aloft/detail/runtime/entrance.hpp>
#include <aloft/detail/runtime/lane.hpp>
#include <aloft/detail/runtime/make_reactors.hpp>
#include <aloft/detail/runtime/visit.hpp>
#include <aloft/detail/runtime/watcher.hpp>
#include <aloft/detail/runtime/worker.hpp>
#include <aloft/detail/runtime/worker_end.hpp>
#include <aloft/detail/runtime/worker_io.hpp>
#include <aloft/detail/runtime/worker_lanes.hpp>
#include <aloft/detail/runtime/worker_sleep.hpp>
#include <aloft/priority_class.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

class scheduler final : public operation_executor {
public:
    using unhandled_handler = std::function<void(std::exception_ptr, std::string_view)>;

    ALOFT_COLD scheduler(chosen_reactors chosen, const runtime_options& options,
                         unhandled_handler handler)
        : shared_(chosen.reactors.size(), options.spare_workers(), *this, options.spin().count(),
                  options.short_turns().value_or(system_calls_are_free())),
          threads_wanted_(chosen.reactors.size()),
          make_another_(std::move(chosen.make_another)),
          blocking_(options.blocking_threads()),
          handler_(new handler_sink(std::move(handler))),
          sink_(handler_),
          affinity_(options.affinity()),
          generation_(fork_generation().load(std::memory_order_relaxed)),
          high_(shared_, shared_.high, visitors_, generation_, true),
          background_(shared_, shared_.background, visitors_, generation_, false) {
        const std::size_t most = threads_wanted_ + options.spare_workers();
        workers_.reserve(most);
        threads_.reserve(threads_wanted_);
        spare_threads_.reserve(options.spare_workers());
        for (std::unique_ptr<reactor>& each : chosen.reactors) {
            add_worker(std::move(each), false);
        }
        watcher_ = std::make_unique<watcher>(
            shared_, threads_wanted_, std::max<clock_ns>(options.hog_after().count(), 0),
            options.spare_workers(),
            [](executor& self) noexcept { return static_cast<scheduler&>(self).start_spare(); });
    }
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;
    ALOFT_COLD ~scheduler() { stop(); }

    /// Starts the threads. `root_environment` is what tasks on them inherit.
    ALOFT_COLD void start(const environment& root_environment) {
        try {
            root = &root_environment;
            high_.begin(*this);
            background_.begin(*this);
            for (const std::unique_ptr<worker>& each : workers_) {
                start_thread(threads_, *each);
                pin(each->index());
            }
            watcher_->start();
        } catch (const pin_refused& refused) {
            stop();
            throw_error(
                std::make_error_code(std::errc::invalid_argument),
                "runtime_options::affinity: no thread of this process may run on processor " +
                    std::to_string(refused.processor));
        } catch (const std::system_error& error) {
            const std::size_t started = threads_.size();
            stop();
            throw_error(error.code(), "runtime: thread " + std::to_string(started + 1) + " of " +
                                          std::to_string(threads_wanted_ + 1) +
                                          " could not be started");
        }
    }

    ALOFT_COLD void stop() noexcept {
        if (threads_.empty()) {
            return;
        }
        worker* const here = current_worker();
        require(here == nullptr || &here->shared() != &shared_,
                "a runtime was destroyed on one of its own workers");
        handler_->stop();
        blocking_.cancel_queued();
        if (root_stop != nullptr) {
            (void)root_stop->request_stop();
        }
        task_started_outside(); // the blocking pool
        shared_.stopping.store(true, std::memory_order_seq_cst);
        worker::wake_everybody(shared_);
        blocking_.stop();
        task_finished_outside();
        // The spares' threads are the watcher's to start until it has ended; all workers leave when
        // every task has ended.
        for (std::thread& each : threads_) {
            each.join();
        }
        watcher_->stop();
        for (std::thread& each : spare_threads_) {
            each.join();
        }
        threads_.clear();
        // order(visitors): acquire; whoever was here from outside has left
        while (visitors_.load(std::memory_order_acquire) != 0) {
            std::this_thread::yield();
        }
    }

    /// Whether this is a child process, made by fork(), in which the threads do not exist.
    [[nodiscard]] bool is_of_another_process() const noexcept {
        return generation_ != fork_generation().load(std::memory_order_relaxed);
    }

    /// In such a child nothing can be joined or closed in order, so everything stays as it is.
    void close() noexcept override {
        if (is_of_another_process()) {
            static constinit scheduler* left = nullptr; // keeps them reachable for leak checkers
            left_before_ = std::exchange(left, this);
        } else {
            delete this;
        }
    }

    [[nodiscard]] std::size_t threads() const noexcept override { return threads_wanted_; }
    [[nodiscard]] std::size_t blocking_threads() const override { return blocking_.threads(); }

    void start_foreign(operation& op) noexcept override { push_foreign(op); }
    void start_foreign(timer& t) noexcept override { push_foreign(t); }

    void refuse(timer& t, executor& to) noexcept override {
        const visit here(visitors_);
        // A worker stays while it runs this, and runs what it posts; others are waited for.
        const bool from_outside = local() == nullptr;
        if (from_outside) {
            worker::begin_helping(shared_);
        }
        if (timers::take_out(t)) {
            t.phase = timer_phase::refused;
            to.post(t); // PUBLISHED: the visit keeps this scheduler
        }
        if (from_outside) {
            worker::end_helping(shared_);
        }
    }

    void post(work_node& node) noexcept override {
        if (worker* const here = local()) {
            here->post(node);
        } else {
            inject(node);
        }
    }

    void fork_elsewhere(work_node& node) noexcept override {
        if (worker* const here = local()) {
            here->spill_fork(node);
        } else {
            inject(node);
        }
    }

    void post_all(work_list&& nodes) noexcept override {
        if (worker* const here = local()) {
            here->post_all(std::move(nodes));
        } else {
            const visit from_outside(visitors_);
            shared_.inject.push_all(std::move(nodes));
            worker::notify(shared_);
        }
    }

    void wake_for_work() noexcept override { worker::notify(shared_); }

    void share_forks() noexcept override {
        if (worker* const here = local()) {
            here->share_forks();
        }
    }

    [[nodiscard]] executor& in_class(priority p) noexcept override {
        if (p == priority::normal) {
            return *this;
        }
        return p == priority::high ? high_ : background_;
    }

    void run_blocking(blocking_call& call) noexcept override {
        const visit here(visitors_); // what is answered may end, and the pool is touched behind it
        blocking_.run(call);
    }
    void withdraw_blocking(blocking_call& call) noexcept override {
        const visit here(visitors_);
        blocking_.withdraw(call);
    }

    void task_started_outside() noexcept override {
        shared_.outside.started.fetch_add(1, std::memory_order_seq_cst);
    }

    void task_finished_outside() noexcept override {
        // A worker may be asleep that has counted before us: it counts again.
        const visit here(visitors_);
        shared_.outside.ended.fetch_add(1, std::memory_order_seq_cst);
        if (shared_.stopping.load(std::memory_order_seq_cst)) {
            worker::wake_everybody(shared_);
        }
    }

    [[nodiscard]] sink_pointer sink() const noexcept override { return sink_; }

private:
    class handler_sink final : public unhandled_sink {
    public:
        explicit handler_sink(unhandled_handler handler) : handler_(std::move(handler)) {}
        void report(std::exception_ptr error, const char* task_name) noexcept override {
            if (!stopping_.load(std::memory_order_relaxed) || !is_cancellation(error)) {
                handler_(std::move(error), task_name);
            }
        }

        /// From now on a task that ends as cancelled does what it was told to.
        void stop() noexcept { stopping_.store(true, std::memory_order_relaxed); }

    private:
        unhandled_handler handler_;
        atomic<bool> stopping_{false};
    };

    [[nodiscard]] worker* local() const noexcept {
        worker* const here = current_worker();
        return here != nullptr && &here->shared() == &shared_ ? here : nullptr;
    }

    ALOFT_COLD worker& add_worker(std::unique_ptr<reactor> backend, bool spare) {
        workers_.push_back(
            std::make_unique<worker>(workers_.size(), shared_, std::move(backend), spare));
        shared_.workers.add(*workers_.back());
        return *workers_.back();
    }

    ALOFT_COLD void start_thread(std::vector<std::thread>& among, worker& w) {
        among.push_back(detail::start_thread(
            [](void* of) noexcept {
                worker& self = *static_cast<worker*>(of);
                prepare_worker_thread(self.index());
                set_current_worker(&self);
                set_current_environment(self.shared().exec->root);
                self.run();
                set_current_environment(nullptr);
                set_current_worker(nullptr);
            },
            &w));
    }

    struct pin_refused {
        unsigned processor;
    };

    void pin(std::size_t index) {
        if (affinity_.empty()) {
            return;
        }
        const unsigned processor = affinity_[index % affinity_.size()];
        if (!keep_thread_on(threads_.back().native_handle(), processor)) {
            throw pin_refused{processor};
        }
    }

    /// On the watcher's thread. What cannot be had now may be had later.
    [[nodiscard]] ALOFT_COLD worker* start_spare() noexcept {
        try {
            if (threads_wanted_ + spare_threads_.size() == workers_.size()) {
                add_worker(make_another_(), true);
            } // else a thread was missing the last time
            start_thread(spare_threads_, *workers_.back());
            return workers_.back().get();
        } catch (const std::exception&) {
            return nullptr;
        }
    }

    template <class Request>
    void push_foreign(Request& request) noexcept {
        const visit here(visitors_);
        shared_.foreign.push(request);
        worker::notify(shared_);
    }

    void inject(work_node& node) noexcept {
        require(!is_of_another_process(),
                "a runtime was used in a child process after fork(): its threads are not here; "
                "create a new runtime in the child, or exec");
        const visit here(visitors_);
        shared_.inject.push(node);
        worker::notify(shared_);
    }

    shared_work shared_;
    std::size_t threads_wanted_;
    std::function<std::unique_ptr<reactor>()> make_another_;
    std::vector<std::unique_ptr<worker>> workers_; // the spares come last
    blocking_pool blocking_;
    handler_sink* handler_; // sink_ owns it
    sink_pointer sink_;
    std::vector<unsigned> affinity_;
    unsigned generation_;
    scheduler* left_before_ = nullptr;
    atomic<std::size_t> visitors_{0};
    lane high_;
    lane background_;
    std::vector<std::thread> threads_;       // one per worker that is no spare
    std::vector<std::thread> spare_threads_; // the watcher's, until it has ended
    std::unique_ptr<watcher> watcher_;
};

} // namespace aloft::inline ALOFT_ABI::detail

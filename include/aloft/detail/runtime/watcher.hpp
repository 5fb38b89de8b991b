// SPDX-License-Identifier: MIT
// A thread that sees to it that what a busy worker holds does not wait for it.
// Layer: L3 runtime
//
// A worker that is inside one task for long (a hog) cannot look after what it holds: answers that
// the kernel has for it, due timers, submissions that the kernel has not seen, cancellations. And
// when all workers are hogs, nobody looks at what is ready. The watcher runs no tasks, so it is
// always there. In every round it compares each worker's activity word with what it saw before:
//
//   parked, or changed       the worker looks after itself
//   unchanged and running    stuck: the watcher does in its place what can be done on another
//                            thread, puts what became ready into the inject queue, and wakes
//                            somebody for that and for what the worker has queued
//                            (local_worker.hpp, 4)
//   all stuck for hog_after,
//   and work waits           a spare worker joins in, at most spare_workers of them
//
// Answers of operations become visible when the thread that submitted them passes through the
// kernel; the heavy fence makes every running thread do that. One that the system has taken off its
// processor does it when it has its turn: with more hogs than processors that can be some slices of
// the scheduler away, 4 ms each where its clock ticks 250 times a second. On epoll any thread sees them.
//
// Workers ask the system for short turns on a processor, and the watcher for shorter ones; a stuck
// worker loses that until it is no longer stuck (time_slice.hpp). So whoever wakes for the others, a
// spare worker above all, goes before the hogs, and does not wait for the scheduler's clock.
//
// It also looks after memory: what the depot of frames has not used for a second goes back.
//
// 1. While a worker is running, the watcher ticks; when all sleep, so does the watcher, and nothing is
//    polled (watch_signal.hpp), except that it trims the depot until there is nothing left to trim.
// 2. seen_, the round counters and the making of spares are the watcher thread's own, until stop()
//    has joined it.
// 3. The watcher hands submissions to the kernel, so it outlives the operations: it is stopped after
//    the workers.
#pragma once

#include <aloft/detail/base/frame_depot.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/reactor/process.hpp>
#include <aloft/detail/reactor/process_fence.hpp>
#include <aloft/detail/reactor/start_thread.hpp>
#include <aloft/detail/reactor/time_slice.hpp>
#include <aloft/detail/reactor/timers.hpp>
#include <aloft/detail/runtime/worker.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

class watcher {
public:
    /// Makes one more spare worker and its thread, and returns it; nullptr if that cannot be done
    /// now.
    /// Is given the executor whose workers these are.
    using spare_maker = worker* (*)(executor&) noexcept;

    watcher(shared_work& shared, std::size_t workers, clock_ns hog_after, std::size_t most_spares,
            spare_maker make_spare)
        : shared_(shared),
          workers_(workers),
          hog_after_(hog_after),
          most_spares_(most_spares),
          make_spare_(make_spare),
          seen_(workers + most_spares) {}
    watcher(const watcher&) = delete;
    watcher& operator=(const watcher&) = delete;
    ~watcher() { stop(); }

    void start() {
        thread_ = start_thread(
            [](void* self) noexcept {
                prepare_thread("aloft-watch");
                static_cast<watcher*>(self)->run();
            },
            this);
    }

    void stop() noexcept {
        if (!thread_.joinable()) {
            return;
        }
        shared_.watch.stop();
        thread_.join();
    }

private:
    static constexpr clock_ns turn = 100'000; // on a processor: the least that Linux gives
    static constexpr clock_ns normal_pause = 1'000'000;
    static constexpr clock_ns calm_pause = 2'000'000;
    static constexpr clock_ns helping_pause = 200'000;
    static constexpr clock_ns shortest_pause = 30'000;
    static constexpr clock_ns trim_pause = 1'000'000'000;
    static constexpr int rounds_until_calm = 100;
    static constexpr int rounds_until_sleep = 8;

    struct observation {
        std::uint64_t activity = 0;
        clock_ns since = 0; // when this activity was seen first
        bool stuck = false;
    };

    /// What a round found.
    struct findings {
        bool running = false;
        bool all_hogs = true;  // every worker that takes part has been stuck for hog_after_
        bool holding = false;  // somebody stuck holds operations or timers
        bool queueing = false; // somebody stuck holds what could run elsewhere
        bool helped = false;   // begin_helping() has been called
        clock_ns next_timer = no_deadline;
        work_list ready;
    };

    void run() noexcept {
        time_slice slice;
        if (shared_.short_turns) {
            slice.begin(turn);
        }
        may_be_light_ = asymmetric_fences() && register_process_fence();
        depot.add_trimmer();
        bool go_on = true;
        while (go_on) {
            const clock_ns pause = round();
            go_on = pause != no_deadline ? shared_.watch.pause(pause) : sleep();
        }
        depot.remove_trimmer();
    }

    /// False: stopped.
    [[nodiscard]] bool sleep() noexcept {
        const auto everybody_sleeps = [this] { return shared_.idle.everybody_sleeps(); };
        if (depot.has_spares()) {
            return shared_.watch.sleep(everybody_sleeps, trim_pause);
        }
        depot.remove_trimmer(); // what other threads give back meanwhile is not kept
        const bool go_on = shared_.watch.sleep(everybody_sleeps, no_deadline);
        depot.add_trimmer();
        return go_on;
    }

    /// Gives the pause until the next round; no_deadline: until a worker leaves its sleep.
    [[nodiscard]] clock_ns round() noexcept {
        const clock_ns now = now_ns();
        if (now >= trim_next_) {
            trim_next_ = now + trim_pause;
            depot.begin_trim();
            trimming_ = true;
        }
        trimming_ = trimming_ && depot.trim();
        findings found;
        look_at_workers(now, found);
        if (!found.ready.empty()) {
            shared_.inject.push_all(std::move(found.ready));
            found.queueing = true;
        }
        if (found.helped) {
            worker::end_helping(shared_); // what was taken is in the inject queue
        }
        if (!found.running) {
            if (trimming_ || ++quiet_rounds_ < rounds_until_sleep) {
                return calm_rounds_ < rounds_until_calm ? normal_pause : calm_pause;
            }
            quiet_rounds_ = 0;
            return no_deadline;
        }
        quiet_rounds_ = 0;
        lighten_fences();
        if (found.queueing) {
            worker::notify(shared_);
        }
        if (found.all_hogs && shared_.idle.nobody_is_free() && worker::work_visible(shared_)) {
            add_spare();
        }
        if (found.holding) {
            calm_rounds_ = 0;
            const clock_ns until_timer = found.next_timer - now_ns();
            return std::clamp(until_timer, shortest_pause, helping_pause);
        }
        return ++calm_rounds_ < rounds_until_calm ? normal_pause : calm_pause;
    }

    void look_at_workers(clock_ns now, findings& found) noexcept {
        bool fenced = false;
        for (std::size_t i = 0; i < shared_.workers.size(); ++i) {
            worker& each = shared_.workers[i];
            observation& seen = seen_[i];
            const std::uint64_t activity = each.activity();
            const bool changed = activity != std::exchange(seen.activity, activity);
            if (changed) {
                seen.since = now;
                if (std::exchange(seen.stuck, false)) {
                    each.slice().shorten();
                }
            }
            if (worker::is_parked(activity)) {
                found.all_hogs = found.all_hogs && each.is_spare();
                continue;
            }
            found.running = true;
            each.want_look();
            if (changed) {
                found.all_hogs = false;
                continue;
            }
            each.cut_direct_runs();
            if (!std::exchange(seen.stuck, true)) {
                each.slice().lengthen();
            }
            found.all_hogs = found.all_hogs && now - seen.since >= hog_after_;
            if (each.holds_operations() && !std::exchange(fenced, true)) {
                (void)heavy_fence();
            }
            if (!std::exchange(found.helped, true)) {
                worker::begin_helping(shared_);
            }
            found.queueing = found.queueing || each.holds_runnable();
            found.next_timer = (std::min)(found.next_timer, each.help(found.ready));
            found.holding = found.holding || each.holds_operations() ||
                            found.next_timer != no_deadline || !found.ready.empty();
        }
    }

    /// Where nobody has paused since the last round, nobody needs the workers' fences. Pops are made light
    /// for longer times only, because who is woken to search pays for the end of that.
    void lighten_fences() noexcept {
        const std::uint64_t searches = shared_.idle.searches();
        const std::uint64_t pauses = shared_.idle.pauses();
        const bool searched = searches != std::exchange(searches_, searches);
        const bool slept = pauses != std::exchange(pauses_, pauses);
        if (searched || !may_be_light_) {
            return;
        }
        if (!slept) {
            shared_.idle.allow_light_fences();
        }
        if (calm_rounds_ > 1) {
            shared_.idle.allow_light_pops();
        }
    }

    void add_spare() noexcept {
        shared_.hogging.store(true, std::memory_order_relaxed);
        for (std::size_t i = workers_; i < shared_.workers.size(); ++i) {
            if (shared_.workers[i].activate()) {
                return;
            }
        }
        if (shared_.workers.size() < workers_ + most_spares_ &&
            !shared_.stopping.load(std::memory_order_relaxed)) {
            if (worker* const spare = make_spare_(*shared_.exec)) {
                (void)spare->activate();
            }
        }
    }

    shared_work& shared_;
    const std::size_t workers_;
    const clock_ns hog_after_;
    const std::size_t most_spares_;
    const spare_maker make_spare_;
    std::vector<observation> seen_;
    int quiet_rounds_ = 0;
    int calm_rounds_ = 0;
    bool may_be_light_ = false; // fences and pops
    std::uint64_t searches_ = 0;
    std::uint64_t pauses_ = 0;
    clock_ns trim_next_ = 0;
    bool trimming_ = false;
    std::thread thread_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// Workers that fall asleep while others make work visible: no work is left while all of them sleep.
//
// Real: idle_workers, local_worker::published and its fences, deque, inject_queue. Transcribed from
// worker.hpp and worker_sleep.hpp, in their order of accesses: next, search, sleep. The event
// descriptor that wakes a reactor is a word that the sleeper waits for.
#pragma once

#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/runtime/idle.hpp>
#include <aloft/detail/runtime/inject.hpp>

#include "bare_executor.hpp"
#include "explorer.hpp"
#include "queues.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace model {

struct sleep_rules {
    bool searches = true;          // false: as if enough others searched
    bool looks_again = true;       // after it has said that it sleeps
    bool counts_again = true;      // as a searcher, if it sees work then
    bool hands_on = true;          // the last searcher that finds something wakes another
    bool learns_of_wake_up = true; // from leave_sleep
    bool fences_when_counted = true;
};

/// Lets the explorer see who sleeps.
class open_idle_workers : public aloft::detail::idle_workers {
public:
    using idle_workers::idle_workers;
    [[nodiscard]] word state_of_sleepers() const {
        word hash = sleepers_.size();
        for (const std::size_t each : sleepers_) {
            hash = mix(hash, each);
        }
        return hash;
    }
};

template <std::size_t Workers>
class pool final : public bare_executor {
public:
    explicit pool(const sleep_rules& rules) : rules_(rules), idle_(Workers) {
        for (std::optional<worker>& each : workers_) {
            each.emplace(*this, idle_.state());
        }
    }

    /// What a busy worker does with new work.
    void fork(std::size_t index) {
        check(workers_[index]->forks.push(items_.make()), "there was room");
        workers_[index]->published();
    }

    /// What a thread outside does with two of them.
    void inject() {
        aloft::detail::work_list both;
        both.push(items_.make());
        both.push(items_.make());
        inject_.push_all(std::move(both));
        notify();
    }

    void pop(std::size_t index) { items_.take(workers_[index]->pop_fork()); }

    /// A searcher that takes two items from the same victim.
    void rob(std::size_t victim) {
        if (idle_.begin_search()) {
            items_.take(workers_[victim]->forks.steal());
            items_.take(workers_[victim]->forks.steal());
            (void)idle_.end_search();
        }
    }

    void push_ready(std::size_t index) {
        check(workers_[index]->ready.push(items_.make()), "there was room");
    }
    void pop_ready(std::size_t index) { items_.take(workers_[index]->pop_ready()); }

    /// A searcher that takes half of what is ready at the victim.
    void rob_ready(std::size_t thief, std::size_t victim) {
        if (idle_.begin_search()) {
            take_half(thief, victim);
        }
    }
    /// The same by one that has been counted by somebody else.
    void rob_ready_when_counted(std::size_t thief, std::size_t victim) {
        idle_.sleep(thief, false);
        idle_.search_again(thief);
        if (rules_.fences_when_counted) {
            idle_.begin_counted_search();
        }
        take_half(thief, victim);
    }

    void drain(std::size_t index) {
        while (work_node* const left = workers_[index]->forks.pop()) {
            items_.take(left);
        }
        items_.all_taken();
    }
    void drain_ready() {
        for (auto& each : workers_) {
            while (work_node* const left = each->ready.pop()) {
                items_.take(left);
            }
        }
        items_.all_taken();
    }

    /// Worker `index` sleeps until it finds something. That is a task which never ends: so whatever is
    /// left must be found by somebody else.
    void work(std::size_t index) {
        worker& me = *workers_[index];
        for (;;) {
            explorer::instance().forget(mix(index + 1, me.searching ? 1 : 0));
            work_node* node = me.pop_fork();
            if (node == nullptr) {
                node = take_injected();
            }
            if (node == nullptr) {
                node = search(me);
            }
            if (node != nullptr) {
                if (std::exchange(me.searching, false)) {
                    if (idle_.end_search() && rules_.hands_on) {
                        notify();
                    }
                }
                items_.take(node);
                return;
            }
            sleep(me, index);
        }
    }

    /// Before the threads begin: worker `index` sleeps, and its thread begins with work_when_woken.
    void put_to_sleep(std::size_t index) { idle_.sleep(index, false); }
    void work_when_woken(std::size_t index) {
        park(*workers_[index], index);
        work(index);
    }

    void allow_light_fences() { idle_.allow_light_fences(); }
    void allow_light_pops() { idle_.allow_light_pops(); }

    [[nodiscard]] bool everything_done() const { return items_.are_all_taken(); }

    /// The injected ones are those that are neither taken nor in a deque.
    [[nodiscard]] word plain_state() const {
        return mix(items_.state(), idle_.state_of_sleepers());
    }

private:
    struct worker : aloft::detail::local_worker {
        using local_worker::local_worker;
        bool searching = false;
        aloft::detail::atomic<int> woken{0};
    };

    void take_half(std::size_t thief, std::size_t victim) {
        items_.take(workers_[victim]->ready.steal_half(workers_[thief]->ready));
        (void)idle_.end_search();
        items_.take(workers_[thief]->pop_ready());
    }

    work_node* take_injected() {
        if (inject_.empty()) {
            return nullptr;
        }
        aloft::detail::work_list taken;
        inject_.take(taken, 1);
        return taken.pop();
    }

    work_node* search(worker& me) {
        if (!me.searching && (!rules_.searches || !idle_.begin_search())) {
            return nullptr;
        }
        me.searching = true;
        for (auto& victim : workers_) {
            if (&*victim != &me && !victim->forks.empty()) {
                if (work_node* const node = victim->forks.steal()) {
                    return node;
                }
            }
        }
        return take_injected();
    }

    [[nodiscard]] bool work_visible() const {
        if (!inject_.empty()) {
            return true;
        }
        for (const auto& each : workers_) {
            if (!each->forks.empty()) {
                return true;
            }
        }
        return false;
    }

    void sleep(worker& me, std::size_t index) {
        idle_.sleep(index, std::exchange(me.searching, false));
        aloft::detail::full_fence();
        if (rules_.looks_again && work_visible()) {
            if (rules_.counts_again) {
                idle_.search_again(index);
                me.searching = true;
            } else {
                me.searching = !idle_.leave_sleep(index);
            }
            return;
        }
        park(me, index);
    }

    void park(worker& me, std::size_t index) {
        while (me.woken.exchange(0) == 0) {
            me.woken.wait(0);
        }
        const bool by_itself = idle_.leave_sleep(index);
        me.searching = !by_itself && rules_.learns_of_wake_up;
    }

    void notify() {
        const std::size_t sleeper = idle_.wake_one();
        if (sleeper != aloft::detail::idle_workers::nobody) {
            workers_[sleeper]->woken.store(1);
        }
    }

    // ---- what the coroutine layer would call; only the wake-up is used here ----

    void wake_for_work() noexcept override { notify(); }
    void post(work_node&) noexcept override {}
    void post_all(aloft::detail::work_list&&) noexcept override {}

    sleep_rules rules_;
    open_idle_workers idle_;
    aloft::detail::inject_queue inject_;
    std::array<std::optional<worker>, Workers>
        workers_; // not on the heap: same addresses each time
    items items_;
};

/// One worker forks in the midst of a task that never ends, while the other falls asleep.
template <sleep_rules Rules = sleep_rules{}>
class fork_and_sleep {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] { pool_.fork(0); }, [this] { pool_.work(1); }};
    }
    void finished() {}
    [[nodiscard]] bool may_rest() const { return pool_.everything_done(); }
    [[nodiscard]] word plain_state() const { return pool_.plain_state(); }

private:
    pool<2> pool_{Rules};
};

/// A thread outside injects while one worker sleeps and the other one falls asleep.
template <sleep_rules Rules = sleep_rules{}>
class inject_and_sleep {
public:
    inject_and_sleep() { pool_.put_to_sleep(0); }
    std::vector<std::function<void()>> threads() {
        return {[this] { pool_.inject(); }, [this] { pool_.work_when_woken(0); },
                [this] { pool_.work(1); }};
    }
    void finished() {}
    [[nodiscard]] bool may_rest() const { return pool_.everything_done(); }
    [[nodiscard]] word plain_state() const { return pool_.plain_state(); }

private:
    pool<2> pool_{Rules};
};

/// A busy worker forks twice while two others sleep.
template <sleep_rules Rules = sleep_rules{}>
class fork_to_sleepers {
public:
    fork_to_sleepers() {
        pool_.put_to_sleep(1);
        pool_.put_to_sleep(2);
    }
    std::vector<std::function<void()>> threads() {
        return {[this] {
                    pool_.fork(0);
                    pool_.fork(0);
                },
                [this] { pool_.work_when_woken(1); }, [this] { pool_.work_when_woken(2); }};
    }
    void finished() {}
    [[nodiscard]] bool may_rest() const { return pool_.everything_done(); }
    [[nodiscard]] word plain_state() const { return pool_.plain_state(); }

private:
    pool<3> pool_{Rules};
};

/// The same as fork_and_sleep, with a watcher that lets the fences be light at any moment.
template <sleep_rules Rules = sleep_rules{}>
class fork_with_light_fences {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] { pool_.fork(0); }, [this] { pool_.work(1); },
                [this] { pool_.allow_light_fences(); }};
    }
    void finished() {}
    [[nodiscard]] bool may_rest() const { return pool_.everything_done(); }
    [[nodiscard]] word plain_state() const { return pool_.plain_state(); }

private:
    pool<2> pool_{Rules};
};

/// The owner pops with light fences while a thief comes.
class pop_with_light_fences {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] {
                    pool_.fork(0);
                    pool_.fork(0);
                    pool_.pop(0);
                },
                [this] { pool_.rob(0); }, [this] { pool_.allow_light_fences(); }};
    }
    void finished() { pool_.drain(0); }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const { return pool_.plain_state(); }

private:
    pool<2> pool_{sleep_rules{}};
};

/// The owner takes what is ready, lightly where it may, while a thief comes and goes.
template <sleep_rules Rules = sleep_rules{}, bool CountedByOthers = false>
class pop_ready_lightly {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] {
                    pool_.push_ready(0);
                    pool_.push_ready(0);
                    pool_.pop_ready(0);
                    pool_.pop_ready(0);
                },
                [this] {
                    if (CountedByOthers) {
                        pool_.rob_ready_when_counted(1, 0);
                    } else {
                        pool_.rob_ready(1, 0);
                    }
                },
                [this] { pool_.allow_light_pops(); }};
    }
    void finished() { pool_.drain_ready(); }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const { return pool_.plain_state(); }

private:
    pool<2> pool_{Rules};
};

} // namespace model

// SPDX-License-Identifier: MIT
// Who sleeps, who searches, and whom to wake: the protocol by which no work is left unseen.
// Layer: L3 runtime
//
// A worker is running, searching (it looks into other workers' queues), or sleeping (listed in
// sleepers_, parked or about to park). state_ packs the number of searching and of sleeping
// workers.
//
//   running   --begin_search-->  searching      refused if half of the workers search already
//   searching --end_search---->  running        found something
//   running, searching --sleep--> sleeping
//   sleeping  --wake_one------>  searching      by another thread, which then wakes its reactor
//   sleeping  --search_again-->  searching      by itself, because it saw work
//   sleeping  --leave_sleep--->  running        by itself, if nobody woke it meanwhile
//
// Invariant: when work is visible in a queue, then some worker is running, or searching, or about
// to look at that queue once more; so a worker that finds work will look at it, or somebody will.
//
// Proof, for every way in which the last worker could look away.
// 1. Pusher against sleeper. The pusher makes the work visible, passes a fence, reads state_. The
//    sleeper writes state_ (sleep), passes a fence, reads all the queues. If the pusher does not
//    see the sleeper, its read came before the sleeper's write, so the sleeper's reads come after
//    the push: it sees the work, and searches again. It counts as a searcher then, because the
//    pusher, or another one before, may have relied on it, and it takes only part of the work.
// 2. Pusher sees a searcher and wakes nobody. That searcher either finds work, and then end_search
//    tells it whether it was the last one: the last one wakes another worker, which searches all
//    queues; or it goes to sleep, and sleep reads all the queues after its fence, as in 1.
// 3. Pusher sees a sleeper: wake_one takes it out of sleepers_ under the lock, so it is woken by
//    exactly one pusher; it counts as searching from that moment, and on waking it searches. The
//    wake-up itself is not lost by the reactor (io_uring.hpp).
// 4. A sleeper that was taken out while it was leaving for another reason learns it from
//    leave_sleep and goes on as the searcher that it has been counted as.
// 5. Light fences. While everybody has been busy for some time, state_ is exactly `light`, and the
//    workers' own fences (the pusher's in 1, and that of deque::pop) are skipped. Whoever begins to
//    search or to sleep first counts itself in state_, which is then not `light` any more; if the
//    light bit was there it passes a heavy fence, takes the bit away, and only then looks at any
//    queue. Let M be the moment at which the heavy fence made a busy worker's thread pass its full
//    fence. A store of that worker before M is visible to the searcher, as after a full fence; after
//    a store behind M the worker's load of state_ comes behind M too, finds the searcher counted, and
//    the worker passes a full fence itself. So for each of its stores the worker is in the position
//    of one that had passed a full fence. Who counts itself and finds no light bit comes behind
//    somebody's M, or behind a time without light fences: the same holds for it. The bit is set
//    again only over a state_ in which nobody is counted.
//    A heavy fence costs microseconds, on virtual machines more than ten, so the light bit is set
//    again (by the watcher) only when nobody has searched or slept for a while.
// 6. Light pops. Who sleeps takes nothing, so that an owner's pop of its run queue asks for less than 5:
//    that nobody searches while `light_pops` is set. Whoever searches counts itself, or has been counted
//    by who woke it; if the bit is there it passes a heavy fence, takes the bit away, and only then looks
//    at any run queue. The bit is set again only over a state_ in which nobody searches. So if an
//    owner, behind its claim, reads a state_ with the bit and without searchers, then all those that
//    are counted later pass the fence, or find that somebody has who was counted later, too, and by 5
//    they see the claim; and those that were counted earlier have counted themselves out, so that
//    the owner sees what they took. It is set by the watcher when nobody has searched for a while.
// No herd: while somebody searches, pushers wake nobody; each success wakes at most one more.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/cacheline.hpp>
#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/coro/local_worker.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

class alignas(cacheline_bytes) idle_workers {
public:
    static constexpr std::size_t nobody = SIZE_MAX;

    explicit idle_workers(std::size_t workers) : idle_workers(workers, workers) {}

    /// At most `most` will ever take part.
    idle_workers(std::size_t workers, std::size_t most)
        : taking_part_(workers), most_searching_((workers + 1) / 2) {
        sleepers_.reserve(most); // so that listing a sleeper never allocates
    }

    /// One more takes part, running; to be called before it does.
    void join() noexcept { taking_part_.fetch_add(1, std::memory_order_seq_cst); }

    /// A running worker takes part no more.
    void leave() noexcept { taking_part_.fetch_sub(1, std::memory_order_seq_cst); }

    [[nodiscard]] bool everybody_sleeps() const noexcept {
        return sleeping(state_.load(std::memory_order_seq_cst)) ==
               taking_part_.load(std::memory_order_seq_cst);
    }

    /// Nobody sleeps or searches; a hint.
    [[nodiscard]] bool nobody_is_free() const noexcept {
        const std::uint64_t seen = state_.load(std::memory_order_relaxed);
        return sleeping(seen) == 0 && searching(seen) == 0;
    }

    /// False: enough others search.
    [[nodiscard]] bool begin_search() noexcept {
        if (searching(state_.load(std::memory_order_relaxed)) >= most_searching_) {
            return false;
        }
        note(searches_);
        end_light(state_.fetch_add(one_searching, std::memory_order_seq_cst), idle_word::light);
        return true;
    }

    /// For one that has been counted as a searcher by others, before it looks at their queues.
    void begin_counted_search() noexcept {
        note(searches_);
        // order(idle.state): acquire; the fence of who took the bit away
        end_light(state_.load(std::memory_order_acquire), idle_word::light_pops);
    }

    /// True: it was the last searcher, which has to wake another.
    [[nodiscard]] bool end_search() noexcept {
        // order(idle.state): seq_cst; what it has taken becomes visible
        return searching(state_.fetch_sub(one_searching, std::memory_order_seq_cst)) == 1;
    }

    /// Afterwards the caller passes a full fence, looks at all queues, and only then parks.
    void sleep(std::size_t worker, bool was_searching) noexcept {
        std::uint64_t before = 0;
        {
            const spin_guard guard(lock_);
            sleepers_.push_back(worker);
            // order(idle.state): seq_cst; what it has taken as a searcher becomes visible
            before = state_.fetch_add(one_sleeping - (was_searching ? one_searching : 0),
                                      std::memory_order_seq_cst);
        }
        note(pauses_);
        end_light(before, idle_word::light_fences);
    }

    /// Nobody searches or sleeps: lets the fences be light, and the pops. To be called when that has been
    /// so for a while, and only where heavy_fence() is more than a full fence.
    void allow_light_fences() noexcept {
        std::uint64_t seen = state_.load(std::memory_order_relaxed);
        if ((seen & ~idle_word::light_pops) == 0) {
            (void)state_.compare_exchange_strong(seen, idle_word::light, std::memory_order_relaxed);
        }
    }

    /// The same for the pops alone, when nobody has searched for a while.
    void allow_light_pops() noexcept {
        std::uint64_t seen = state_.load(std::memory_order_relaxed);
        if (searching(seen) == 0 && (seen & idle_word::light_pops) == 0) {
            (void)state_.compare_exchange_strong(seen, seen | idle_word::light_pops,
                                                 std::memory_order_relaxed);
        }
    }

    /// Changes whenever somebody begins to search.
    [[nodiscard]] std::uint64_t searches() const noexcept {
        return searches_.load(std::memory_order_relaxed);
    }
    /// Changes whenever somebody begins to sleep.
    [[nodiscard]] std::uint64_t pauses() const noexcept {
        return pauses_.load(std::memory_order_relaxed);
    }

    /// True: the worker is running again. False: somebody woke it, it is searching.
    [[nodiscard]] bool leave_sleep(std::size_t worker) noexcept {
        const spin_guard guard(lock_);
        const auto at = std::find(sleepers_.begin(), sleepers_.end(), worker);
        if (at == sleepers_.end()) {
            return false;
        }
        sleepers_.erase(at);
        state_.fetch_sub(one_sleeping, std::memory_order_seq_cst);
        return true;
    }

    /// For one that is listed as a sleeper and has not parked: it is searching.
    void search_again(std::size_t worker) noexcept {
        const spin_guard guard(lock_);
        const auto at = std::find(sleepers_.begin(), sleepers_.end(), worker);
        if (at != sleepers_.end()) { // else somebody woke it, and counted it
            sleepers_.erase(at);
            state_.fetch_add(one_searching - one_sleeping, std::memory_order_seq_cst);
        }
    }

    /// To be called after work was made visible: the worker whose reactor must be woken, or nobody.
    [[nodiscard]] std::size_t wake_one() noexcept {
        full_fence(); // the work against state_, see 1
        if (!idle_word::calls_for_wake(state_.load(std::memory_order_relaxed))) {
            return nobody;
        }
        const spin_guard guard(lock_);
        if (sleepers_.empty() || searching(state_.load(std::memory_order_relaxed)) > 0) {
            return nobody;
        }
        return take_last();
    }

    /// The word that pushers read; see local_worker.hpp.
    [[nodiscard]] const atomic<std::uint64_t>& state() const noexcept { return state_; }

protected: // so that a test can look at who sleeps
    static constexpr std::uint64_t one_sleeping = idle_word::one_sleeping;
    static constexpr std::uint64_t one_searching = idle_word::one_searching;
    static constexpr std::uint64_t searching(std::uint64_t state) noexcept {
        return idle_word::searching(state);
    }
    static constexpr std::uint64_t sleeping(std::uint64_t state) noexcept {
        return idle_word::sleeping(state);
    }

    /// The caller has been counted in state_, in which `seen` was there, and takes these bits away.
    void end_light(std::uint64_t seen, std::uint64_t bits) noexcept {
        if ((seen & bits) != 0) [[unlikely]] {
            // state_ against what busy workers read and write, see 5 and 6
            require(heavy_fence(),
                    "membarrier, which was granted when the runtime was made, is refused "
                    "now; a system call filter that is installed later has to allow it");
            // order(idle.state): seq_cst; the fence, for those who find the bits taken away
            state_.fetch_and(~bits, std::memory_order_seq_cst);
        }
    }

    /// A hint: of two at the same time one may be lost.
    static void note(atomic<std::uint64_t>& counter) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }

    [[nodiscard]] std::size_t take_last() noexcept {
        const std::size_t worker = sleepers_.back(); // the one whose caches are warmest
        sleepers_.pop_back();
        state_.fetch_add(one_searching - one_sleeping, std::memory_order_seq_cst);
        return worker;
    }

    atomic<std::uint64_t> state_{0};
    // Apart from what pushers read:
    alignas(cacheline_bytes) atomic<std::uint64_t> searches_{0};
    atomic<std::uint64_t> pauses_{0};
    atomic<std::size_t> taking_part_;
    std::size_t most_searching_;
    spin_lock lock_;
    std::vector<std::size_t> sleepers_;
};

} // namespace aloft::inline ALOFT_ABI::detail

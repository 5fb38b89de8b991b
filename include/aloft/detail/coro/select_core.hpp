// SPDX-License-Identifier: MIT
// The part of a select that does not depend on what its branches are: how it ends, and who resumes
// it.
// Layer: L1 coro
//
// Several parties may hold a select: the one that ends it, and every timer that has been started.
// Each timer's callback comes in the end, unless the timer was taken out first.
//
// 1. `parties_` counts them; whoever brings it to 0 resumes the task, so exactly one does, and
//    nobody touches the select later.
// 2. Who ends it is decided by the claim (channel_core.hpp, 3). The winner sees to it that
//    withdraw() is called once: it takes what is left in the channels out, and leaves the stop
//    state's list. It does not touch the channel of the branch that has won: the entry is out of
//    it, and who has received what was sent over it may have destroyed it.
// 3. In the channels a branch's entry resumes this frame, and not the task. So withdraw() runs
//    where the winner has put it, and under no lock.
// 4. The locks of the channels are released one after the other when the select has been listed
//    with all of them. Who ends it meanwhile has passed through that of its own channel, and passes
//    through each of the others in withdraw(), so the select, and its channels, are still there when
//    the last one is released.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/lean_compare.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/callback_frame.hpp>
#include <aloft/detail/coro/channel_core.hpp>
#include <aloft/detail/coro/detour.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/detail/coro/waiting_room.hpp>

#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// Where the search for a ready branch begins, so that none is preferred.
[[nodiscard]] ALOFT_NOINLINE inline std::uint32_t next_select_start() noexcept {
    if (simulated_world* const world = world_of(current_environment())) {
        return static_cast<std::uint32_t>(world->draw() >> 32);
    }
    constinit static thread_local std::uint32_t state = 0x9E3779B9;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/// Holds several locks, each once, whatever the order in which they are named.
template <std::size_t N>
class lock_all {
public:
    explicit lock_all(const std::array<waiting_room*, N>& rooms) noexcept {
        for (waiting_room* const room : rooms) {
            if (room != nullptr) {
                insert(&room->lock());
            }
        }
        for (std::size_t i = 0; i < count_; ++i) {
            locks_[i]->lock();
        }
    }
    lock_all(const lock_all&) = delete;
    lock_all& operator=(const lock_all&) = delete;
    ~lock_all() {
        while (count_ > 0) {
            locks_[--count_]->unlock();
        }
    }

private:
    /// In the order of their addresses, so that two that lock the same ones do not wait for each
    /// other.
    void insert(spin_lock* lock) noexcept {
        std::size_t at = count_;
        while (at > 0 && std::less<>()(lock, locks_[at - 1])) {
            --at;
        }
        if (at > 0 && locks_[at - 1] == lock) {
            return;
        }
        for (std::size_t i = count_; i > at; --i) {
            locks_[i] = locks_[i - 1];
        }
        locks_[at] = lock;
        ++count_;
    }

    std::array<spin_lock*, N> locks_{};
    std::size_t count_ = 0;
};

class select_core : protected callback_frame, stop_node {
public:
    using function_on_self = void (*)(select_core&) noexcept;

    select_core(const select_core&) = delete;
    select_core& operator=(const select_core&) = delete;

    /// A timer's callback, on whichever worker; `ended` is nobody's any more. Gives what the thread
    /// does next.
    [[nodiscard]] std::coroutine_handle<> timer_ends(std::uint32_t branch,
                                                     work_node& ended) noexcept {
        const std::coroutine_handle<> parent = parent_;
        std::uint32_t gone = 1;
        if (claim_.claim_early(branch) == select_claim::end::won) {
            gone += withdraw();
        }
        if (!leave(gone)) {
            return std::noop_coroutine();
        }
        if (takes_detours(exec_)) [[unlikely]] {
            ended.coroutine = parent;
            exec_->post(ended); // PUBLISHED
            return std::noop_coroutine();
        }
        return parent;
    }

protected:
    explicit select_core(function_on_self take_out) noexcept
        : callback_frame([](callback_frame* frame) noexcept {
              auto& self = *static_cast<select_core*>(frame);
              const std::coroutine_handle<> parent = self.parent_;
              if (self.leave(self.withdraw())) {
                  resume_next(parent);
              } // PUBLISHED
          }),
          take_out_(take_out) {
        stopped_.coroutine = handle();
    }
    ~select_core() = default;

    /// False: stop has been requested.
    [[nodiscard]] bool begin(std::coroutine_handle<> parent, executor& exec,
                             stop_state* stop) noexcept {
        parent_ = parent;
        exec_ = &exec;
        stop_ = stop != nullptr ? stop : exec.root_stop;
        if (stop_ == nullptr) {
            return true;
        }
        run = [](stop_node& node) noexcept {
            auto& self = static_cast<select_core&>(node);
            if (self.claim_.claim_early(select_claim::canceled) == select_claim::end::won) {
                self.exec_->post(self.stopped_); // PUBLISHED
            }
        };
        if (!stop_->add(*this)) {
            stop_ = nullptr;
            return false;
        }
        return true;
    }

    /// When it has ended: nobody else will begin to touch it but the timers that could not be taken
    /// out. How many parties are gone with that.
    [[nodiscard]] std::uint32_t withdraw() noexcept {
        if (stop_ != nullptr) {
            stop_->remove(*this);
        }
        take_out_(*this);
        return 1 + timers_taken_out_;
    }

    /// True: these were the last ones.
    [[nodiscard]] bool leave(std::uint32_t gone) noexcept {
        // order(select.parties): acq_rel; what each party wrote becomes visible to the task
        return parties_.fetch_sub(gone, std::memory_order_acq_rel) == gone;
    }

    select_claim claim_;
    executor* exec_ = nullptr;
    stop_state* stop_ = nullptr;
    std::uint32_t timers_taken_out_ = 0;
    atomic<std::uint32_t> parties_{1};

private:
    function_on_self take_out_;
    std::coroutine_handle<> parent_{};
    work_node stopped_;
};

} // namespace aloft::inline ALOFT_ABI::detail

// SPDX-License-Identifier: MIT
// Threads that post to a strand while workers drain it: each coroutine runs once, never two at a time,
// and none is left behind an idle strand.
//
// Real: strand_core, all of it. Transcribed: the pool's queue, a word that says how often the drain
// waits in it; the workers, who take it from there and resume it.
#pragma once

#include <aloft/detail/coro/callback_frame.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/strand_core.hpp>
#include <aloft/detail/coro/unhandled_sink.hpp>

#include "bare_executor.hpp"
#include "explorer.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

/// What is shared without atomics.
struct strand_core_view {
    [[nodiscard]] static model::word of(const strand_core& core) noexcept {
        return reinterpret_cast<std::uintptr_t>(core.ready_);
    }
};

} // namespace aloft::inline ALOFT_ABI::detail

namespace model {

/// Below the strand: nothing but the strand's own drain is ever posted here.
class strand_pool final : public bare_executor {
public:
    void post(aloft::detail::work_node& drain) noexcept override {
        drain_ = &drain;
        check(queued_.fetch_add(1) == 0, "the drain is in the queue twice");
    }
    void post_all(aloft::detail::work_list&&) noexcept override {}

    /// What a worker does once: waits for the drain, and runs it.
    void work() {
        int one = 1;
        while (!queued_.compare_exchange_strong(one, 0)) {
            one = 1;
            queued_.wait(0);
        }
        drain_->coroutine.resume();
    }
    [[nodiscard]] bool empty() const { return queued_.load() == 0; }
    [[nodiscard]] word plain_state() const { return drain_ == nullptr ? 0u : 1u; }

private:
    aloft::detail::work_node* drain_ = nullptr;
    aloft::detail::atomic<int> queued_{0};
};

/// A coroutine that others may come between, and that notices if they do.
struct strand_turn : aloft::detail::callback_frame, aloft::detail::work_node {
    explicit strand_turn(int& inside) noexcept
        : callback_frame([](callback_frame* frame) noexcept {
              auto& self = *static_cast<strand_turn*>(frame);
              check(++self.inside_ == 1, "two turns at a time");
              self.pause_.store(1, std::memory_order_seq_cst); // others may come between
              check(++self.runs == 1, "ran twice");
              --self.inside_;
          }),
          inside_(inside) {
        coroutine = handle();
    }
    int runs = 0;

private:
    int& inside_;
    aloft::detail::atomic<int> pause_{0};
};

/// Two threads post, two workers drain; whoever waits in vain for the drain may rest.
class strand_of_two {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] { strand_.value.post(turns_[0]); },
                [this] { strand_.value.post(turns_[1]); }, [this] { pool_.work(); },
                [this] { pool_.work(); }};
    }
    void finished() { all_have_run(); }

    /// A worker may have nothing to do; but then everything has been done.
    [[nodiscard]] bool may_rest() const {
        return turns_[0].runs == 1 && turns_[1].runs == 1 && pool_.empty();
    }
    [[nodiscard]] word plain_state() const {
        return mix(
            mix(pool_.plain_state() + aloft::detail::strand_core_view::of(strand_.value),
                static_cast<word>(inside_)),
            mix(mix(static_cast<word>(turns_[0].runs), reinterpret_cast<word>(turns_[0].next)),
                mix(static_cast<word>(turns_[1].runs), reinterpret_cast<word>(turns_[1].next))));
    }

private:
    void all_have_run() const {
        check(turns_[0].runs == 1 && turns_[1].runs == 1, "a coroutine was left behind");
    }

    /// Never destroyed: an execution may be left in the middle of a turn.
    union kept_strand {
        kept_strand(aloft::detail::executor& below, aloft::detail::environment& inherited)
            : value(below, inherited) {}
        kept_strand(const kept_strand&) = delete;
        kept_strand& operator=(const kept_strand&) = delete;
        ~kept_strand() {}
        aloft::detail::strand_core value;
    };

    int inside_ = 0;
    strand_pool pool_;
    aloft::detail::environment environment_{};
    kept_strand strand_{pool_, environment_};
    std::array<strand_turn, 2> turns_{strand_turn(inside_), strand_turn(inside_)};
};

} // namespace model

// SPDX-License-Identifier: MIT
// A stop request between those who register with it and those who leave.
//
// Real: stop_state with its spin_lock, all of it.
#pragma once

#include <aloft/detail/coro/stop_state.hpp>

#include "explorer.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace aloft::inline ALOFT_ABI::detail {

/// What is shared without atomics.
struct stop_state_view {
    [[nodiscard]] static model::word of(const stop_node& node) noexcept {
        return model::mix(reinterpret_cast<std::uintptr_t>(node.next),
                          reinterpret_cast<std::uintptr_t>(node.link));
    }
    [[nodiscard]] static model::word of(const stop_state& state) noexcept {
        const bool is_node = (state.flags_.load() & stop_state::joined) != 0;
        if ((state.flags_.load() & stop_state::used) == 0) {
            return 0;
        }
        return model::mix(model::mix(reinterpret_cast<std::uintptr_t>(state.used_.first),
                                     reinterpret_cast<std::uintptr_t>(state.used_.runner)),
                          is_node ? of(static_cast<const stop_node&>(state)) : 0);
    }
};

} // namespace aloft::inline ALOFT_ABI::detail

namespace model {

using aloft::detail::stop_node;
using aloft::detail::stop_state;
using aloft::detail::stop_state_view;

/// Never destroyed: an execution may be left in the middle of a request.
union kept_state {
    template <class... Parent>
    explicit kept_state(Parent... parent) : value(parent...) {}
    kept_state(const kept_state&) = delete;
    kept_state& operator=(const kept_state&) = delete;
    ~kept_state() {}
    stop_state value;
};

/// Counts its runs, and is wrong when it runs behind its removal.
struct listener : stop_node {
    int runs = 0;
    bool running = false;
    bool removed = false;

    listener() {
        run = [](stop_node& node) noexcept {
            auto& self = static_cast<listener&>(node);
            check(!self.removed, "ran behind its removal");
            self.running = true;
            ++self.runs;
            self.pause.store(1); // others may come between
            self.running = false;
        };
    }
    void remove_from(stop_state& state) {
        state.remove(*this);
        check(!running, "removed while it ran on another thread");
        removed = true;
    }
    [[nodiscard]] word plain_state() const {
        return mix(stop_state_view::of(*this),
                   static_cast<word>(runs) * 4 + (running ? 2u : 0u) + (removed ? 1u : 0u));
    }
    aloft::detail::atomic<int> pause{0};
};

/// One is listed and leaves, another one comes and stays, while the request comes.
class stop_and_leave {
public:
    stop_and_leave() { check(state_.add(leaving_), "nobody has stopped it yet"); }

    std::vector<std::function<void()>> threads() {
        return {[this] { first_ = state_.request_stop(); },
                [this] { leaving_.remove_from(state_); },
                [this] { added_ = state_.add(staying_); }};
    }
    void finished() {
        check(first_, "the only request was not the first one");
        check(leaving_.runs <= 1, "ran twice");
        check(staying_.runs == (added_ ? 1 : 0), "who was listed did not run, or who was not did");
        staying_.remove_from(state_);
    }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const {
        return mix(mix(stop_state_view::of(state_), leaving_.plain_state()),
                   mix(staying_.plain_state(), (added_ ? 1u : 0u) + (first_ ? 2u : 0u)));
    }

private:
    kept_state kept_;
    stop_state& state_ = kept_.value;
    listener leaving_;
    listener staying_;
    bool first_ = false;
    bool added_ = false;
};

/// Two register with a state that has not joined its parent yet, while the parent is stopped.
class stop_above {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] { (void)above_.request_stop(); },
                [this] { added_[0] = below_.add(listeners_[0]); },
                [this] { added_[1] = below_.add(listeners_[1]); }};
    }
    void finished() {
        check(below_.stop_requested(), "the state below does not see that it is stopped");
        for (std::size_t i = 0; i < 2; ++i) {
            check(listeners_[i].runs == (added_[i] ? 1 : 0),
                  "a stop was lost between a state and its parent, or told twice");
            listeners_[i].remove_from(below_);
        }
    }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const {
        return mix(mix(stop_state_view::of(above_), stop_state_view::of(below_)),
                   mix(mix(listeners_[0].plain_state(), listeners_[1].plain_state()),
                       (added_[0] ? 1u : 0u) + (added_[1] ? 2u : 0u)));
    }

private:
    kept_state kept_above_;
    stop_state& above_ = kept_above_.value;
    kept_state kept_below_{&above_};
    stop_state& below_ = kept_below_.value;
    std::array<listener, 2> listeners_;
    std::array<bool, 2> added_{};
};

/// A state is stopped from both sides while somebody leaves it.
class stop_twice {
public:
    stop_twice() { check(below_.add(listener_), "nobody has stopped it yet"); }

    std::vector<std::function<void()>> threads() {
        return {[this] { (void)above_.request_stop(); }, [this] { (void)below_.request_stop(); },
                [this] { listener_.remove_from(below_); }};
    }
    void finished() { check(listener_.runs <= 1, "ran twice"); }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const {
        return mix(mix(stop_state_view::of(above_), stop_state_view::of(below_)),
                   listener_.plain_state());
    }

private:
    kept_state kept_above_;
    stop_state& above_ = kept_above_.value;
    kept_state kept_below_{&above_};
    stop_state& below_ = kept_below_.value;
    listener listener_;
};

} // namespace model

// SPDX-License-Identifier: MIT
// A waiter between who gives, a stop request and the end of the room: it gets one answer, and nobody
// touches a room or a stop state that is gone.
//
// Real: waiting_room, stop_state, spin_lock, all of them. Transcribed: the task; what resumes it calls it.
#pragma once

#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/detail/coro/waiting_room.hpp>

#include "bare_executor.hpp"
#include "by_hand.hpp"
#include "explorer.hpp"

#include <array>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <new>
#include <vector>

namespace model {

/// Nobody is posted: who waits here is called.
class no_executor final : public bare_executor {
public:
    void post(aloft::detail::work_node&) noexcept override { check(false, "posted"); }
    void post_all(aloft::detail::work_list&&) noexcept override { check(false, "posted"); }
};

/// What a task keeps in its frame while it waits.
struct guest : aloft::detail::room_waiter {
    guest() noexcept {
        resume = [](room_waiter& self) noexcept { static_cast<guest&>(self).go_on(); };
    }

    void wait(aloft::detail::waiting_room& in, const aloft::detail::environment& env) {
        const auto nothing = [] { return false; };
        if (!in.wait(*this, std::noop_coroutine(), &env, nothing, "guest")) {
            go_on();
        } // PUBLISHED
    }
    void leave() {
        check(aloft::detail::waiting_room::forget(*this), "it does not wait");
        aloft::detail::room_waiter::phase = aloft::detail::wait_phase::idle;
        listed = false;
    }

    aloft::detail::wait_phase how = aloft::detail::wait_phase::idle;
    void (*at_end)(void* program) = nullptr;
    void* program = nullptr;

private:
    void go_on() noexcept {
        check(how == aloft::detail::wait_phase::idle, "a task was resumed twice");
        how = aloft::detail::waiting_room::resumed(*this) ? aloft::detail::wait_phase::given
                                                          : aloft::detail::wait_phase::canceled;
        if (at_end != nullptr) {
            at_end(program);
        }
    }
};

/// Before the threads begin, Waits guests with the same stop state have come and gone: the next one is
/// listed itself behind one or none, lists the room behind two, and finds it listed behind three.
template <std::size_t Waits>
class waiting {
public:
    static constexpr bool remembers_plain_state = true;

protected:
    waiting() {
        ::new (static_cast<void*>(&above_.value)) aloft::detail::stop_state();
        ::new (static_cast<void*>(&state_.value)) aloft::detail::stop_state(&above_.value);
        ::new (static_cast<void*>(&room_.value)) aloft::detail::waiting_room();
        environment_.exec = &executor_;
        environment_.stop = &state_.value;
        for (std::size_t i = 0; i < Waits; ++i) {
            guest_.wait(room_.value, environment_);
            guest_.leave();
        }
    }
    waiting(const waiting&) = delete;
    waiting& operator=(const waiting&) = delete;
    ~waiting() = default;

    no_executor executor_;
    aloft::detail::environment environment_{};
    by_hand<aloft::detail::stop_state> above_;
    by_hand<aloft::detail::stop_state> state_;
    by_hand<aloft::detail::waiting_room> room_;
    guest guest_;
};

/// Somebody waits, somebody gives, and the state is stopped from above. Who was given something destroys
/// the room at once.
template <std::size_t Waits>
class room_and_stop : public waiting<Waits> {
public:
    room_and_stop() {
        this->guest_.program = this;
        this->guest_.at_end = [](void* self) {
            auto& program = *static_cast<room_and_stop*>(self);
            if (program.guest_.how == aloft::detail::wait_phase::given) {
                program.room_.destroy();
            }
        };
    }

    std::vector<std::function<void()>> threads() {
        return {[this] { this->guest_.wait(this->room_.value, this->environment_); },
                [this] {
                    aloft::detail::work_list woken;
                    {
                        const aloft::detail::spin_guard guard(this->room_.value.lock());
                        this->room_.value.give_all(woken);
                    }
                    aloft::detail::waiting_room::resume_all(woken);
                },
                [this] { (void)this->above_.value.request_stop(); }};
    }
    void finished() {
        check(this->guest_.how != aloft::detail::wait_phase::idle, "a stop request was lost");
    }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const { return hash_of(this, sizeof *this); }
};

/// A room and the state that it is listed with end, each on a thread of its own, while a request comes
/// from above.
class room_and_state_end : public waiting<3> {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] { room_.destroy(); }, [this] { state_.destroy(); },
                [this] { (void)above_.value.request_stop(); }};
    }
    void finished() {}
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const { return hash_of(this, sizeof *this); }
};

} // namespace model

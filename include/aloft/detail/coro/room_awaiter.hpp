// SPDX-License-Identifier: MIT
// What the awaiters of the synchronisation primitives have in common.
// Layer: L1 coro
//
// 1. An awaiter may move only before it is awaited.
// 2. What `Owner` has, for friends: `room_`; `name`, which errors begin with; and two functions that
//    give true if there is what a waiter of this kind wants, and take it: take_at_once(kind), called
//    without the room's lock, and take_in_room(kind), called under it, which leaves the word in a
//    state in which the waiter may join the queue if it gives false (waiting_room.hpp, 1).
#pragma once

#include <aloft/config.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/error.hpp>

#include <coroutine>
#include <cstdint>

namespace aloft::inline ALOFT_ABI::detail {

template <class Owner>
class room_awaiter : protected room_waiter {
public:
    explicit room_awaiter(Owner& owner, std::uint8_t what = 0) noexcept : owner_(&owner) {
        kind = what;
    }
    room_awaiter(room_awaiter&& other) noexcept : room_waiter(), owner_(other.owner_) {
        kind = other.kind;
    }
    ~room_awaiter() { waiting_room::forget(*this); }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
        Owner& owner = *owner_;
        const std::uint8_t what = kind;
        return owner.room_.wait(
            *this, self, environment_of(self), [&owner, what] { return owner.take_at_once(what); },
            [&owner, what] { return owner.take_in_room(what); }, Owner::name); // PUBLISHED if true
    }

protected:
    /// Whether the waiter was given what it waited for; otherwise it was stopped.
    [[nodiscard]] bool resumed() noexcept { return waiting_room::resumed(*this); }

    void resume_or_throw() {
        if (!resumed()) [[unlikely]] {
            throw_error(canceled_error(), Owner::name);
        }
    }

    Owner* owner_;
};

} // namespace aloft::inline ALOFT_ABI::detail

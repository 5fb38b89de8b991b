// SPDX-License-Identifier: MIT
// A channel's values and who waits for it: what recv, send and select have in common.
// Layer: L1 coro
//
// 1. Everything but the claim of a select is touched under the room's lock, also the values that
//    wait in awaiters: whoever finds a counterpart waiting moves the value over, directly, and
//    takes the waiter out. So T is moved under the lock, and its move constructor must not use the
//    channel.
// 2. A receiver waits only while the channel is empty, a sender only while it is full, neither when
//    it is closed. Whoever takes a value from a full channel puts the first waiting sender's value
//    behind the others at once: the room that it made is never free, so nobody overtakes those who
//    wait. Therefore all who wait do the same, receive or send, unless a select is among them.
// 3. A select has an entry in each of its channels and one claim, which decides among all that
//    could end it:
//        starting --open--> open --claim(i)--> i         by whoever offers or takes at entry i
//                                --claim(i)--> canceled, or a timer's branch
//        starting --stop or timer--> that                nobody else knows it yet
//    The claim is a compare-exchange, so exactly one succeeds, and only then does it move a value:
//    what loses a claim has touched nothing. A select that looks for what is ready holds the locks
//    of all of its channels and has no entry in any of them yet, so it needs to claim nobody but
//    the counterpart that it found waiting: there is never a claim on both sides to take at once.
//    What it finds not ready it is listed with, still under all the locks: nothing becomes ready in
//    between.
// 4. The entries of a select that has been claimed are dead. Whoever meets one under the lock takes
//    it out; the select takes out the rest, under each lock, before its frame goes on. So an entry
//    that is listed is alive.
// 5. If a move throws, the one that moves has the exception, and the value stays where it was; but
//    a waiting sender whose value should have been put behind the others gets it itself. Values
//    that may throw are not for select, for it cannot take a claim back.
#pragma once

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/channel_buffer.hpp>
#include <aloft/detail/coro/waiting_room.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// What decides how a select ends.
class select_claim {
public:
    static constexpr std::uint32_t canceled = 0xFFFF'FFFD;

    /// True: the branch has won.
    [[nodiscard]] bool claim(std::uint32_t branch) noexcept {
        std::uint32_t expected = open_;
        // Every party that touches what the winner wrote comes to it through a channel's lock, or
        // through the queue that resumes the select.
        return state_.load(std::memory_order_relaxed) == open_ &&
               state_.compare_exchange_strong(expected, branch, std::memory_order_relaxed);
    }

    enum class end : unsigned char { lost, noted, won };

    /// A stop or a timer. `noted`: the select has not begun to wait, and will see it. `won`: the
    /// caller resumes it.
    [[nodiscard]] end claim_early(std::uint32_t branch) noexcept {
        std::uint32_t seen = state_.load(std::memory_order_relaxed);
        while (seen == starting || seen == open_) {
            // order(select.state): acq_rel; what was written before the select waits, and the end
            if (state_.compare_exchange_weak(seen, branch, std::memory_order_acq_rel,
                                             std::memory_order_relaxed)) {
                return seen == starting ? end::noted : end::won;
            }
        }
        return end::lost;
    }

    /// The select itself, with all locks and no entries: it has won by itself.
    void decide(std::uint32_t branch) noexcept { state_.store(branch, std::memory_order_relaxed); }

    /// False: it was ended before it began to wait.
    [[nodiscard]] bool open() noexcept {
        std::uint32_t expected = starting;
        // order(select.state): acq_rel; the select's fields become visible to who ends it
        return state_.compare_exchange_strong(expected, open_, std::memory_order_acq_rel,
                                              std::memory_order_acquire);
    }

    [[nodiscard]] std::uint32_t winner() const noexcept {
        // order(select.state): acquire; what came before an early end
        return state_.load(std::memory_order_acquire);
    }

private:
    static constexpr std::uint32_t starting = 0xFFFF'FFFF;
    static constexpr std::uint32_t open_ = 0xFFFF'FFFE;
    atomic<std::uint32_t> state_{starting};
};

enum class channel_side : std::uint8_t { receives, sends };
enum class channel_answer : std::uint8_t { done, blocked, closed };

struct no_exception {};

/// One who waits at a channel, alone or as a branch of a select. `kind` says on which side.
template <class T>
struct channel_waiter : room_waiter {
    static constexpr bool may_throw = !std::is_nothrow_move_constructible_v<T>;

    explicit channel_waiter(channel_side side) noexcept { kind = static_cast<std::uint8_t>(side); }
    [[nodiscard]] channel_side side() const noexcept { return static_cast<channel_side>(kind); }

    union {
        std::optional<T>* into = nullptr; // of one that receives
        T* from;                          // of one that sends
    };
    select_claim* select = nullptr;
    std::uint32_t branch = 0;
    bool closed = false;
    [[no_unique_address]] std::conditional_t<may_throw, std::exception_ptr, no_exception> error{};
};

template <class T>
class channel_core {
public:
    explicit channel_core(std::size_t capacity) : buffer_(capacity) {}

    [[nodiscard]] waiting_room& room() noexcept { return room_; }

    // ---- under the lock; behind it the caller resumes all of `woken` ----

    /// Puts the value in, or hands it over. It is moved from only if the answer is `done`.
    [[nodiscard]] channel_answer offer(T& value, work_list& woken) {
        if (closed_) [[unlikely]] {
            return channel_answer::closed;
        }
        if (channel_waiter<T>* const receiver = first_waiting(channel_side::receives)) {
            receiver->into->emplace(std::move(value));
            give(*receiver, woken);
            return channel_answer::done;
        }
        if (buffer_.full()) {
            return channel_answer::blocked;
        }
        buffer_.push(std::move(value));
        return channel_answer::done;
    }

    /// Takes the oldest value.
    [[nodiscard]] channel_answer take(std::optional<T>& into, work_list& woken) {
        if (!buffer_.empty()) [[likely]] {
            buffer_.pop(into);
            if (channel_waiter<T>* const sender = first_waiting(channel_side::sends)) {
                refill_from(*sender);
                give(*sender, woken);
            }
            return channel_answer::done;
        }
        if (channel_waiter<T>* const sender = first_waiting(channel_side::sends)) {
            into.emplace(std::move(*sender->from));
            give(*sender, woken);
            return channel_answer::done;
        }
        return closed_ ? channel_answer::closed : channel_answer::blocked;
    }

    void list(channel_waiter<T>& branch) noexcept {
        ++selects_;
        room_.push(branch);
    }

    void unlist(channel_waiter<T>& branch) noexcept {
        if (branch.phase == wait_phase::queued) {
            --selects_;
            room_.unlink(branch);
            branch.phase = wait_phase::idle;
        }
    }

    // ---- any thread ----

    bool close() noexcept {
        work_list woken;
        {
            const spin_guard guard(room_.lock());
            if (std::exchange(closed_, true)) {
                return false;
            }
            for (const channel_side side : {channel_side::receives, channel_side::sends}) {
                while (channel_waiter<T>* const waiter = first_waiting(side)) {
                    waiter->closed = true;
                    give(*waiter, woken);
                }
            }
        }
        waiting_room::resume_all(woken);
        return true;
    }

    [[nodiscard]] bool closed() noexcept {
        const spin_guard guard(room_.lock());
        return closed_;
    }

    [[nodiscard]] std::size_t size() noexcept {
        const spin_guard guard(room_.lock());
        return buffer_.size();
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return buffer_.capacity(); }

private:
    /// One that is to be served now: a select among them has been claimed.
    [[nodiscard]] channel_waiter<T>* first_waiting(channel_side side) noexcept {
        room_waiter* const first = room_.first();
        if (first == nullptr) [[likely]] {
            return nullptr;
        }
        if (selects_ == 0) [[likely]] {
            auto* const waiter = static_cast<channel_waiter<T>*>(first);
            return waiter->side() == side ? waiter : nullptr;
        }
        return first_of_many(side);
    }

    [[nodiscard]] ALOFT_NOINLINE channel_waiter<T>* first_of_many(channel_side side) noexcept {
        for (room_waiter* each = room_.first(); each != nullptr;) {
            auto& waiter = static_cast<channel_waiter<T>&>(*each);
            each = waiting_room::after(waiter);
            if (waiter.side() != side) {
                continue;
            }
            if (waiter.select == nullptr || waiter.select->claim(waiter.branch)) {
                return &waiter;
            }
            unlist(waiter); // it was claimed elsewhere
        }
        return nullptr;
    }

    void give(channel_waiter<T>& waiter, work_list& woken) noexcept {
        if (waiter.select != nullptr) [[unlikely]] {
            --selects_;
        }
        room_.give(waiter, woken);
    }

    void refill_from(channel_waiter<T>& sender) noexcept {
        if constexpr (channel_waiter<T>::may_throw) {
            try {
                buffer_.push(std::move(*sender.from));
            } catch (...) {
                sender.error = std::current_exception();
            }
        } else {
            buffer_.push(std::move(*sender.from)); // it was full: there is a place
        }
    }

    waiting_room room_;
    bool closed_ = false;
    std::size_t selects_ = 0; // entries of selects in the room
    channel_buffer<T> buffer_;
};

} // namespace aloft::inline ALOFT_ABI::detail

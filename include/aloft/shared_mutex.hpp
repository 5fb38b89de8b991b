// SPDX-License-Identifier: MIT
// shared_mutex: one writer or many readers at a time, in the order of their coming.
// Layer: L1 coro
//
// The word is 0 (free), `written`, or the number of readers times `reader`; and the bit `waited`.
//
// 1. The queue is not empty => the bit is set and somebody holds the mutex. The bit is set by the
//    waiter that joins, under the room's lock; while it is set the word changes under that lock only.
//    So an unlock either comes before the waiter's compare-exchange, which then finds what it left,
//    or finds the bit and the waiter behind it: no wake-up is lost (waiting_room.hpp, 1).
// 2. While somebody waits the mutex is never free, and no reader joins those that hold it: neither
//    writers nor readers starve. It is handed to the first waiter; if that is a reader, to all readers
//    behind it as well, up to the next writer.
// 3. Where readers hold it and somebody waits, the first waiter is a writer, or was until it gave up:
//    a writer that gives up, for whatever reason, lets those readers in that stood behind it.
// 4. Whoever locks it next may destroy it: an unlock touches nothing behind that but the room's lock,
//    for which the destructor waits (waiting_room.hpp, 5).
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/room_awaiter.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/error.hpp>

#include <atomic>
#include <cstdint>
#include <utility>

namespace aloft::inline ALOFT_ABI {

/// Purpose: many tasks may read at once, or one may write: `auto guard = co_await m.lock_shared();`
///
/// Thread safety: every member may be called on any thread; the locks are awaited in tasks.
/// Lifetime: must outlive its guards and its waiters.
/// Errors: those of cancellation. Destroying it while it is locked or waited for ends the program
/// with a sentence. A task that locks it twice may wait for itself, also when both are shared.
/// Cancellation: a lock of a task that is stopped, or whose runtime ends, gives up with
/// std::errc::operation_canceled; a task that has been stopped takes nothing.
/// Cost: one compare-exchange to lock and one to unlock where nobody waits, a short lock otherwise; a
/// wait allocates nothing.
class shared_mutex {
    template <bool Shared>
    class basic_guard;

public:
    using guard = basic_guard<false>;
    using shared_guard = basic_guard<true>;
    class lock_awaiter;
    class shared_lock_awaiter;

    shared_mutex() noexcept = default;
    shared_mutex(const shared_mutex&) = delete;
    shared_mutex& operator=(const shared_mutex&) = delete;
    ~shared_mutex() {
        detail::require(state_.load(std::memory_order_relaxed) == free,
                        "a shared_mutex was destroyed while it was locked");
    }

    /// Waits until nobody else holds it; co_await gives a guard.
    [[nodiscard]] lock_awaiter lock() noexcept;

    /// Waits until no writer holds it or came before; co_await gives a shared_guard.
    [[nodiscard]] shared_lock_awaiter lock_shared() noexcept;

    /// Locks it if it is free: a guard that may be empty.
    [[nodiscard]] guard try_lock() noexcept;

    /// Locks it if no writer holds it and nobody waits: a guard that may be empty.
    [[nodiscard]] shared_guard try_lock_shared() noexcept;

private:
    template <class>
    friend class detail::room_awaiter;

    static constexpr const char* name = "shared_mutex";
    static constexpr std::uint8_t writes = 0; // what a waiter wants
    static constexpr std::uint8_t reads = 1;
    static constexpr std::uint32_t free = 0;
    static constexpr std::uint32_t waited = 1;
    static constexpr std::uint32_t written = 2;
    static constexpr std::uint32_t reader = 4;

    [[nodiscard]] bool take_at_once(std::uint8_t kind) noexcept {
        std::uint32_t state = kind == writes ? free : state_.load(std::memory_order_relaxed);
        while (kind == writes ? state == free : (state & (waited | written)) == 0) {
            // order(shared_mutex.state): acquire; what the holders before wrote becomes visible
            if (state_.compare_exchange_weak(state, kind == writes ? written : state + reader,
                                             std::memory_order_acquire,
                                             std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }

    [[nodiscard]] bool take_in_room(std::uint8_t kind) noexcept {
        for (;;) {
            if (take_at_once(kind)) {
                return true;
            }
            std::uint32_t state = state_.load(std::memory_order_relaxed);
            if ((state & waited) != 0) {
                return kind == reads && join_readers(state);
            }
            // Held in such a way that the waiter has to wait, unless it changes just now.
            if (state != free && (kind == writes || (state & written) != 0) &&
                state_.compare_exchange_weak(state, state | waited, std::memory_order_relaxed)) {
                return false;
            }
        }
    }

    /// Under the lock, with the bit set: a reader need not wait behind nobody.
    [[nodiscard]] bool join_readers(std::uint32_t state) noexcept {
        if (!room_.empty() || (state & written) != 0) {
            return false;
        }
        // order(shared_mutex.state): acquire; what the holders before wrote becomes visible
        state_.fetch_add(reader - waited, std::memory_order_acquire);
        return true;
    }

    [[nodiscard]] bool try_shared() noexcept {
        if (take_at_once(reads)) {
            return true;
        }
        if ((state_.load(std::memory_order_relaxed) & (waited | written)) != waited) {
            return false;
        }
        const detail::spin_guard inside(room_.lock());
        const std::uint32_t state = state_.load(std::memory_order_relaxed);
        return (state & waited) != 0 ? join_readers(state) : take_at_once(reads);
    }

    void unlock() noexcept {
        std::uint32_t expected = written;
        // order(shared_mutex.state): release; what the holder wrote becomes visible to the next one
        if (!state_.compare_exchange_strong(expected, free, std::memory_order_release,
                                            std::memory_order_relaxed)) {
            unlock_waited(written);
        } // PUBLISHED
    }

    void unlock_shared() noexcept {
        std::uint32_t state = state_.load(std::memory_order_relaxed);
        while ((state & waited) == 0) {
            // order(shared_mutex.state): release; what the reader read is not written before
            if (state_.compare_exchange_weak(state, state - reader, std::memory_order_release,
                                             std::memory_order_relaxed)) {
                return; // PUBLISHED
            }
        }
        unlock_waited(reader);
    }

    /// Gives up one share, and hands over if it was the last one.
    ALOFT_NOINLINE void unlock_waited(std::uint32_t share) noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard inside(room_.lock());
            detail::room_waiter* const first = room_.first();
            std::uint32_t held = state_.load(std::memory_order_relaxed) & ~waited;
            if (first == nullptr || held != share) {
                const std::uint32_t bit =
                    first == nullptr ? state_.load(std::memory_order_relaxed) & waited : 0;
                // order(shared_mutex.state): release; as in unlock and unlock_shared
                state_.fetch_sub(share + bit, std::memory_order_release);
                return;
            }
            // The word changes under the lock only. All other readers have left it.
            held = first->kind == reads ? give_to_readers(woken) : written;
            if (held == written) {
                room_.give(*first, woken);
            }
            // order(shared_mutex.state): acq_rel; what all of them did becomes visible to the next
            state_.exchange(held | (room_.empty() ? 0 : waited), std::memory_order_acq_rel);
        } // PUBLISHED
        detail::waiting_room::resume_all(woken);
    }

    /// Under the lock: takes the readers out that stand before all writers. Gives their shares.
    [[nodiscard]] std::uint32_t give_to_readers(detail::work_list& woken) noexcept {
        std::uint32_t shares = 0;
        while (room_.first() != nullptr && room_.first()->kind == reads) {
            room_.give(*room_.first(), woken);
            shares += reader;
        }
        return shares;
    }

    /// A writer has given up.
    ALOFT_NOINLINE void writer_left() noexcept {
        detail::work_list woken;
        {
            const detail::spin_guard inside(room_.lock());
            if (room_.empty() || (state_.load(std::memory_order_relaxed) & written) != 0) {
                return;
            }
            const std::uint32_t shares = give_to_readers(woken);
            // order(shared_mutex.state): acquire; what the holders before wrote becomes visible
            state_.fetch_add(shares - (room_.empty() ? waited : 0), std::memory_order_acquire);
        }
        detail::waiting_room::resume_all(woken);
    }

    detail::atomic<std::uint32_t> state_{free};
    detail::waiting_room room_; // its destructor runs first
};

/// Purpose: shared_mutex::guard holds a shared_mutex alone, shared_mutex::shared_guard together with
/// other readers, until its end or until unlock(). Move-only.
///
/// Thread safety: one owner at a time; it may be used, and end, on another thread than it began.
/// Lifetime: shorter than the mutex's.
/// Errors: unlocking an empty one ends the program with a sentence.
/// Cancellation: none. Cost: a pointer; see shared_mutex.
template <bool Shared>
class [[nodiscard]] shared_mutex::basic_guard {
public:
    basic_guard() noexcept = default;
    basic_guard(basic_guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    basic_guard& operator=(basic_guard&& other) noexcept {
        basic_guard(std::move(other)).swap(*this);
        return *this;
    }
    ~basic_guard() {
        if (mutex_ != nullptr) {
            unlock();
        }
    }

    void unlock() noexcept {
        detail::require(mutex_ != nullptr, "a guard was unlocked that holds no mutex");
        shared_mutex& held = *std::exchange(mutex_, nullptr);
        if constexpr (Shared) {
            held.unlock_shared();
        } else {
            held.unlock();
        }
    }

    [[nodiscard]] bool owns_lock() const noexcept { return mutex_ != nullptr; }
    explicit operator bool() const noexcept { return owns_lock(); }

    void swap(basic_guard& other) noexcept { std::swap(mutex_, other.mutex_); }

private:
    friend shared_mutex;
    explicit basic_guard(shared_mutex* held) noexcept : mutex_(held) {}
    shared_mutex* mutex_ = nullptr;
};

class [[nodiscard]] shared_mutex::lock_awaiter : public detail::room_awaiter<shared_mutex> {
public:
    using room_awaiter::room_awaiter;
    lock_awaiter(lock_awaiter&&) noexcept = default; // only before it is awaited
    ~lock_awaiter() {
        if (detail::waiting_room::forget(*this)) {
            owner_->writer_left();
        }
    }

    [[nodiscard]] guard await_resume() {
        const bool waited_for_it = room != nullptr;
        if (!resumed()) [[unlikely]] {
            if (waited_for_it) {
                owner_->writer_left();
            }
            detail::throw_error(canceled_error(), name);
        }
        return guard(owner_);
    }
};

class [[nodiscard]] shared_mutex::shared_lock_awaiter : public detail::room_awaiter<shared_mutex> {
public:
    using room_awaiter::room_awaiter;

    [[nodiscard]] shared_guard await_resume() {
        resume_or_throw();
        return shared_guard(owner_);
    }
};

inline shared_mutex::lock_awaiter shared_mutex::lock() noexcept {
    return lock_awaiter(*this, writes);
}

inline shared_mutex::shared_lock_awaiter shared_mutex::lock_shared() noexcept {
    return shared_lock_awaiter(*this, reads);
}

inline shared_mutex::guard shared_mutex::try_lock() noexcept {
    return guard(take_at_once(writes) ? this : nullptr);
}

inline shared_mutex::shared_guard shared_mutex::try_lock_shared() noexcept {
    return shared_guard(try_shared() ? this : nullptr);
}

} // namespace aloft::inline ALOFT_ABI

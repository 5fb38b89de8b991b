// SPDX-License-Identifier: MIT
// Where tasks wait, in the order of their coming, for something that other tasks give them: the part
// that all synchronisation primitives share.
// Layer: L1 coro
//
//   waiter:  idle --wait, join--> queued --give--> given   (resumed by whoever gives)
//            idle --wait--> given                          (there was something: not suspended)
//            idle, queued --stop request--> canceled       (resumed by the request if it was queued)
//
// 1. The queue, the waiters' phases, and the primitive's own condition are touched under the room's
//    lock. A waiter looks at the condition and joins the queue in one critical section; whoever
//    changes the condition takes waiters out in one. So no waiter stays beside what it waits for.
//    Most primitives keep the condition in a word, so that they need the lock only where somebody
//    waits. A bit of that word, `waited`, is set whenever the queue is not empty:
//      a. it is set under the lock by the waiter that joins, in a read-modify-write that finds the
//         condition not met, and it is cleared under the lock, by whoever finds or leaves the queue
//         empty. A waiter that gives up leaves it behind;
//      b. while it is set, nobody makes the condition hold without the lock.
//    Both ends change one variable, so they are in one order. A giver that comes before the
//    waiter's read-modify-write is seen by it: the waiter does not join. One that comes behind it
//    finds the bit and takes the lock, behind the waiter, which is in the queue by then. So no
//    wake-up is lost, and no fence is needed.
// 2. A waiter is resumed by the one who took it out of the queue, behind the lock, through its own
//    executor, or through its `resume` if it has one. Until it is resumed nobody else touches it.
// 3. What stops a waiter is its `stop`: its task's stop state, or else its runtime's end. Either the
//    waiter is listed there, from before it waits until it is resumed, or the room is, on behalf of
//    all its waiters with that state: their waits do not touch the state. Under the room's lock a
//    request is either seen, or finds the waiter in the queue. A state's lock may be taken under a
//    room's, never the other way round, and callbacks are called under neither.
// 4. The room is listed with one state at a time: with a runtime's when somebody waits whom nothing
//    else stops, with another one when a second waiter in a row has it. listed_with_ changes under the
//    room's lock. The state tells the room, once, on a request or when it ends, and the room takes
//    that off under its lock; so while it is set, the state exists, for its destructor waits for
//    told(). A room that is destroyed leaves the list by itself, or waits for told() if the state has
//    just taken it out. The last thing that told() touches of the room is its lock, as in 5.
// 5. A room is destroyed when nobody waits. A giver may still be inside: what it gave under the lock
//    may be used, and the room destroyed, at once. So the destructor waits for the lock, and givers
//    touch nothing of the primitive behind it, nor behind a change of the word that is no critical
//    section.
// 6. What joined with join() is stopped by nothing.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/back_off.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/stop_state.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

class waiting_room;

enum class wait_phase : std::uint8_t { idle, queued, given, canceled };

/// One who waits; it lives in the awaiter.
struct room_waiter : work_node, stop_node {
    room_waiter* previous = nullptr;
    executor* exec = nullptr;
    stop_state* stop = nullptr; // what stops it; nullptr: nothing
    waiting_room* room = nullptr;
    void (*resume)(room_waiter&) noexcept = nullptr; // called instead of posting it
    wait_phase phase = wait_phase::idle;
    bool listed = false;   // with `stop`, itself
    bool patient = false;  // stopped by nothing
    std::uint8_t kind = 0; // the primitive's: who waits for what
};

class waiting_room : stop_node {
public:
    waiting_room() noexcept = default;
    waiting_room(const waiting_room&) = delete;
    waiting_room& operator=(const waiting_room&) = delete;
    ~waiting_room() {
        lock_.wait_until_free();
        require(first_ == nullptr,
                "a synchronisation object was destroyed while tasks wait for it");
        if (listed_with_.load(std::memory_order_relaxed) != nullptr) {
            leave_list();
        }
    }

    [[nodiscard]] spin_lock& lock() noexcept { return lock_; }

    /// Waits unless `try_at_once()`, called without the lock, or `try_take()`, called under it, gives
    /// true. A task that has been stopped takes nothing. The return value of await_suspend: false if
    /// the task goes on at once.
    template <class TryAtOnce, class TryTake>
    [[nodiscard]] bool wait(room_waiter& w, std::coroutine_handle<> self, const environment* env,
                            TryAtOnce&& try_at_once, TryTake&& try_take, const char* who) {
        stop_state* const above = stop_above(env);
        if (is_stopped(above)) [[unlikely]] {
            w.phase = wait_phase::canceled;
            return false;
        }
        if (try_at_once()) [[likely]] {
            w.phase = wait_phase::given;
            return false;
        }
        return wait_in_queue(w, self, env, above, try_take, who); // PUBLISHED if true
    }

    /// The same where there is no word to look at without the lock. If try_take throws, nobody waits.
    template <class TryTake>
    [[nodiscard]] bool wait(room_waiter& w, std::coroutine_handle<> self, const environment* env,
                            TryTake&& try_take, const char* who) {
        stop_state* const above = stop_above(env);
        if (is_stopped(above)) [[unlikely]] {
            w.phase = wait_phase::canceled;
            return false;
        }
        const joining seen = join_quietly(w, self, env, above, try_take);
        if (seen != joining::not_quietly) [[likely]] {
            return seen == joining::waits; // PUBLISHED if true
        }
        return wait_loudly(w, self, env, above, try_take, who); // PUBLISHED if true
    }

    /// The awaiter is resumed, or was not suspended. False: stopped.
    [[nodiscard]] static bool resumed(room_waiter& w) noexcept {
        if (w.listed) {
            w.stop->remove(w);
            w.listed = false;
        }
        w.room = nullptr;
        return w.phase != wait_phase::canceled;
    }

    /// For the destructor of an awaiter, whose frame may be destroyed while it waits. True: it did.
    ALOFT_ALWAYS_INLINE static bool forget(room_waiter& w) noexcept {
        if (w.room == nullptr) [[likely]] {
            return false; // it has been resumed, or never waited
        }
        forget_waiting(w);
        return true;
    }

    // ---- under the lock ----

    [[nodiscard]] room_waiter* first() const noexcept { return first_; }
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] static room_waiter* after(room_waiter& w) noexcept {
        return static_cast<room_waiter*>(static_cast<work_node*>(w.work_node::next));
    }

    /// Takes a waiter out; behind the lock the caller resumes all of `woken`.
    void give(room_waiter& w, work_list& woken) noexcept {
        unlink(w);
        w.phase = wait_phase::given;
        woken.push(w);
    }

    void give_all(work_list& woken) noexcept {
        while (first_ != nullptr) {
            give(*first_, woken);
        }
    }

    /// Puts somebody with `coroutine` and `exec` into the queue whom nothing stops.
    void join(room_waiter& w) noexcept {
        w.patient = true;
        w.room = this;
        push(w); // PUBLISHED
    }

    /// Those who call these themselves wait in several rooms, are `patient`, and have no `room`.
    void push(room_waiter& w) noexcept {
        w.phase = wait_phase::queued;
        w.work_node::next = nullptr;
        w.previous = last_;
        if (last_ == nullptr) {
            first_ = &w;
        } else {
            last_->work_node::next = &w;
        }
        last_ = &w;
        ++size_;
    }

    void unlink(room_waiter& w) noexcept {
        room_waiter* const follower = after(w);
        if (w.previous == nullptr) {
            first_ = follower;
        } else {
            w.previous->work_node::next = follower;
        }
        if (follower == nullptr) {
            last_ = w.previous;
        } else {
            follower->previous = w.previous;
        }
        w.work_node::next = nullptr;
        --size_;
    }

    // ---- behind the lock ----

    static void resume_one(room_waiter& w) noexcept {
        if (w.resume != nullptr) [[unlikely]] {
            w.resume(w); // PUBLISHED
        } else {
            wake(*w.exec, w); // PUBLISHED
        }
    }

    static void resume_all(work_list& woken) noexcept {
        if (woken.size() == 1) [[likely]] {
            resume_one(static_cast<room_waiter&>(*woken.pop()));
            return;
        }
        work_list batch; // of one runtime
        executor* exec = nullptr;
        const auto post_batch = [&] {
            if (!batch.empty()) {
                exec->post_all(std::exchange(batch, {})); // PUBLISHED
            }
        };
        while (work_node* const node = woken.pop()) {
            room_waiter& w = static_cast<room_waiter&>(*node);
            if (w.resume != nullptr) {
                w.resume(w); // PUBLISHED
                continue;
            }
            if (w.exec != exec) {
                post_batch();
                exec = w.exec;
            }
            batch.push(w);
        }
        post_batch();
    }

private:
    ALOFT_NOINLINE static void forget_waiting(room_waiter& w) noexcept {
        if (w.listed) {
            w.stop->remove(w);
        }
        const spin_guard guard(w.room->lock_);
        require(w.phase == wait_phase::queued,
                "a frame was destroyed between getting what it waited for and being resumed");
        w.room->unlink(w);
        w.room = nullptr;
    }

    [[nodiscard]] static bool is_stopped(const stop_state* above) noexcept {
        return above != nullptr && above->stop_requested();
    }

    enum class joining : std::uint8_t { given, waits, not_quietly };

    /// The usual case of waiting. `not_quietly`: the waiter has to be listed with add().
    template <class TryTake>
    [[nodiscard]] ALOFT_ALWAYS_INLINE joining join_quietly(room_waiter& w,
                                                           std::coroutine_handle<> self,
                                                           const environment* env,
                                                           stop_state* above, TryTake& try_take) {
        const spin_guard guard(lock_);
        if (try_take()) {
            w.phase = wait_phase::given;
            return joining::given;
        }
        executor* const exec = executor_of(env);
        if (exec == nullptr) [[unlikely]] {
            return joining::not_quietly;
        }
        w.exec = exec;
        w.coroutine = self;
        w.room = this;
        if (!list_quietly(w, above)) [[unlikely]] {
            return joining::not_quietly;
        }
        push(w);
        return joining::waits; // PUBLISHED
    }

    /// Under the lock: sees to it that the waiter will be stopped, if that can be done without calling
    /// anybody. A request that comes at once waits for the lock and finds the waiter in the queue.
    [[nodiscard]] bool list_quietly(room_waiter& w, stop_state* stop) noexcept {
        w.stop = stop;
        stop_state* const listed_with = listed_with_.load(std::memory_order_relaxed);
        if (listed_with == stop) [[likely]] {
            return true; // or nothing stops it
        }
        if (stop == nullptr) {
            return true;
        }
        const bool again = std::exchange(last_stop_, stop) == stop;
        if (listed_with == nullptr && (again || stop == w.exec->root_stop)) {
            run = [](stop_node& self) noexcept { static_cast<waiting_room&>(self).told(); };
            if (!stop->add_lasting(*this)) {
                return false;
            }
            listed_with_.store(stop, std::memory_order_relaxed);
            return true;
        }
        w.run = &waiting_room::stop_one;
        w.listed = stop->add_quietly(w);
        return w.listed;
    }

    template <class TryTake>
    [[nodiscard]] ALOFT_NOINLINE bool wait_in_queue(room_waiter& w, std::coroutine_handle<> self,
                                                    const environment* env, stop_state* above,
                                                    TryTake& try_take, const char* who) {
        const joining seen = join_quietly(w, self, env, above, try_take);
        if (seen != joining::not_quietly) [[likely]] {
            return seen == joining::waits; // PUBLISHED if true
        }
        return wait_loudly(w, self, env, above, try_take, who); // PUBLISHED if true
    }

    template <class TryTake>
    [[nodiscard]] ALOFT_NOINLINE bool wait_loudly(room_waiter& w, std::coroutine_handle<> self,
                                                  const environment* env, stop_state* above,
                                                  TryTake& try_take, const char* who) {
        w.exec = &need_executor(env, who);
        w.coroutine = self;
        w.room = this;
        w.stop = above;
        if (above != nullptr) {
            w.run = &waiting_room::stop_one;
            if (!above->add(w)) {
                w.phase = wait_phase::canceled;
                return false;
            }
            w.listed = true;
        }
        try {
            const spin_guard guard(lock_);
            if (w.phase == wait_phase::canceled) {
                return false; // the request came just now
            }
            if (try_take()) {
                w.phase = wait_phase::given;
                return false;
            }
            push(w);
        } catch (...) {
            (void)resumed(w);
            throw;
        }
        return true; // PUBLISHED
    }

    /// The state that the room is listed with has been asked to stop, or ends.
    void told() noexcept {
        work_list woken;
        {
            const spin_guard guard(lock_);
            const stop_state* const state = listed_with_.load(std::memory_order_relaxed);
            for (room_waiter* w = first_; w != nullptr;) {
                room_waiter* const follower = after(*w);
                if (w->stop == state && !w->listed && !w->patient) {
                    require(state->stop_requested(),
                            "a stop_source was destroyed before what it is to stop");
                    unlink(*w);
                    w->phase = wait_phase::canceled;
                    woken.push(*w);
                }
                w = follower;
            }
            last_stop_ = nullptr;
            listed_with_.store(nullptr, std::memory_order_relaxed);
        }
        resume_all(woken);
    }

    ALOFT_NOINLINE void leave_list() noexcept {
        for (unsigned round = 0;; ++round) {
            stop_state* state = nullptr;
            {
                const spin_guard guard(lock_);
                state = listed_with_.load(std::memory_order_relaxed);
                if (state == nullptr || state->remove_lasting(*this)) {
                    return;
                }
            }
            back_off(listed_with_, state, round); // another thread is about to call told()
        }
    }

    static void stop_one(stop_node& node) noexcept {
        auto& w = static_cast<room_waiter&>(node);
        {
            const spin_guard guard(w.room->lock_);
            const bool queued = w.phase == wait_phase::queued;
            if (queued) {
                w.room->unlink(w);
            } else if (w.phase != wait_phase::idle) {
                return;
            }
            w.phase = wait_phase::canceled;
            if (!queued) {
                return;
            }
        }
        resume_one(w); // PUBLISHED
    }

    spin_lock lock_;
    std::uint32_t size_ = 0;
    room_waiter* first_ = nullptr;
    room_waiter* last_ = nullptr;
    atomic<stop_state*> listed_with_{nullptr};
    const stop_state* last_stop_ = nullptr; // of the last waiter that had to be listed
};

} // namespace aloft::inline ALOFT_ABI::detail

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
// 3. A task that can be stopped is listed with its stop state before it waits, and leaves that list
//    when it is resumed. A request that comes between is seen under the lock. A stop state's lock may
//    be taken under a room's, never the other way round, and callbacks are called under neither.
// 4. All others are stopped by their runtime's end only. The room itself is listed with the runtime,
//    once, when the first of them has to wait: waiting costs nothing for it afterwards. The end of
//    the runtime takes out its waiters and the room's entry. Waiters of a second runtime at the same
//    time are listed with that one each.
// 5. A room is destroyed when nobody waits, and not while a runtime ends whose tasks waited here. A
//    giver may still be inside: what it gave under the lock may be used, and the room destroyed,
//    at once. So the destructor waits for the lock, and givers touch nothing of the primitive behind
//    it, nor behind a change of the word that is no critical section.
// 6. What joined with join() is stopped by nothing.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/spin_lock.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/local_worker.hpp>
#include <aloft/detail/coro/stop_state.hpp>

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
    stop_state* stop = nullptr; // where it is listed
    waiting_room* room = nullptr;
    void (*resume)(room_waiter&) noexcept = nullptr; // called instead of posting it
    wait_phase phase = wait_phase::idle;
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
        if (root_ != nullptr) {
            root_->remove(*this);
        }
    }

    [[nodiscard]] spin_lock& lock() noexcept { return lock_; }

    /// Waits unless `try_at_once()`, called without the lock, or `try_take()`, called under it, gives
    /// true. A task that has been stopped takes nothing. The return value of await_suspend: false if
    /// the task goes on at once.
    template <class TryAtOnce, class TryTake>
    [[nodiscard]] bool wait(room_waiter& w, std::coroutine_handle<> self, const environment* env,
                            TryAtOnce&& try_at_once, TryTake&& try_take, const char* who) {
        const stop_state* const above = stop_above(env);
        if (above != nullptr && above->stop_requested()) [[unlikely]] {
            w.phase = wait_phase::canceled;
            return false;
        }
        if (try_at_once()) [[likely]] {
            w.phase = wait_phase::given;
            return false;
        }
        return wait_in_queue(w, self, env, std::forward<TryTake>(try_take),
                             who); // PUBLISHED if true
    }

    /// The same where there is no word to look at without the lock. If try_take throws, nobody waits.
    template <class TryTake>
    [[nodiscard]] bool wait(room_waiter& w, std::coroutine_handle<> self, const environment* env,
                            TryTake&& try_take, const char* who) {
        const stop_state* const above = stop_above(env);
        if (above != nullptr && above->stop_requested()) [[unlikely]] {
            w.phase = wait_phase::canceled;
            return false;
        }
        {
            const spin_guard guard(lock_);
            if (try_take()) {
                w.phase = wait_phase::given;
                return false;
            }
            if (executor* const exec = executor_of(env)) [[likely]] {
                w.exec = exec;
                w.coroutine = self;
                w.room = this;
                if (list_quietly(w, stop_of(env))) [[likely]] {
                    push(w);
                    return true; // PUBLISHED
                }
            }
        }
        return wait_in_queue(w, self, env, std::forward<TryTake>(try_take),
                             who); // PUBLISHED if true
    }

    /// The awaiter is resumed, or was not suspended. False: stopped.
    [[nodiscard]] static bool resumed(room_waiter& w) noexcept {
        if (w.stop != nullptr) {
            w.stop->remove(w);
            w.stop = nullptr;
        }
        w.room = nullptr;
        return w.phase != wait_phase::canceled;
    }

    /// For the destructor of an awaiter, whose frame may be destroyed while it waits. True: it did.
    static bool forget(room_waiter& w) noexcept {
        if (w.room == nullptr) [[likely]] {
            return false; // it has been resumed, or never waited
        }
        if (w.stop != nullptr) {
            w.stop->remove(w);
        }
        const spin_guard guard(w.room->lock_);
        require(w.phase == wait_phase::queued,
                "a frame was destroyed between getting what it waited for and being resumed");
        w.room->unlink(w);
        w.room = nullptr;
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
    /// Under the lock: sees to it that the waiter will be stopped, if that can be done without calling
    /// anybody. A request that comes at once waits for the lock and finds the waiter in the queue.
    [[nodiscard]] bool list_quietly(room_waiter& w, stop_state* stop) noexcept {
        if (stop == nullptr) {
            return root_ != nullptr && root_ == w.exec->root_stop; // the room is listed: 4
        }
        w.run = &waiting_room::stop_one;
        if (!stop->add_quietly(w)) {
            return false;
        }
        w.stop = stop;
        return true;
    }

    template <class TryTake>
    [[nodiscard]] ALOFT_NOINLINE bool wait_in_queue(room_waiter& w, std::coroutine_handle<> self,
                                                    const environment* env, TryTake&& try_take,
                                                    const char* who) {
        stop_state* stop = stop_of(env);
        w.exec = &need_executor(env, who);
        w.coroutine = self;
        w.room = this;
        if (stop == nullptr && !is_listed_with(*w.exec)) [[unlikely]] {
            stop = w.exec->root_stop;
        }
        if (stop != nullptr) {
            w.run = &waiting_room::stop_one;
            if (!stop->add(w)) {
                w.phase = wait_phase::canceled;
                return false;
            }
            w.stop = stop;
        }
        try {
            const spin_guard guard(lock_);
            if (w.phase == wait_phase::canceled ||
                (stop == nullptr && root_ != w.exec->root_stop)) {
                w.phase = wait_phase::canceled; // the request came just now
                return false;
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

    /// Lists the room with the runtime if it is listed nowhere. False: it is listed with another one,
    /// or that runtime is ending.
    [[nodiscard]] bool is_listed_with(executor& exec) noexcept {
        stop_state* const root = exec.root_stop;
        if (root == nullptr) {
            return true; // it never ends early
        }
        {
            const spin_guard guard(lock_);
            if (root_ != nullptr) {
                return root_ == root;
            }
            if (listing_ != 0) {
                return false;
            }
            listing_ = 1;
        }
        run = [](stop_node& self) noexcept { static_cast<waiting_room&>(self).runtime_ends(); };
        const bool added = root->add(*this);
        const spin_guard guard(lock_);
        listing_ = 0;
        if (added && ended_meanwhile_ == 0) {
            root_ = root;
        }
        ended_meanwhile_ = 0;
        return root_ == root;
    }

    void runtime_ends() noexcept {
        work_list woken;
        {
            const spin_guard guard(lock_);
            ended_meanwhile_ = listing_;
            const stop_state* const root = root_;
            root_ = nullptr;
            for (room_waiter* w = first_; w != nullptr;) {
                room_waiter* const follower = after(*w);
                if (w->stop == nullptr && !w->patient && w->exec->root_stop == root) {
                    unlink(*w);
                    w->phase = wait_phase::canceled;
                    woken.push(*w);
                }
                w = follower;
            }
        }
        resume_all(woken);
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
    std::uint32_t size_ : 30 = 0;
    std::uint32_t listing_ : 1 = 0;         // somebody is just listing the room with a runtime
    std::uint32_t ended_meanwhile_ : 1 = 0; // and that runtime's end came before it had
    room_waiter* first_ = nullptr;
    room_waiter* last_ = nullptr;
    stop_state* root_ = nullptr; // of the runtime that the room is listed with
};

} // namespace aloft::inline ALOFT_ABI::detail

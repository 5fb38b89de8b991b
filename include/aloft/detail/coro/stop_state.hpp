// SPDX-License-Identifier: MIT
// Whether work has been asked to stop, and who is to be told: what a stop_source holds.
// Layer: L1 coro
//
// A state may have a parent: what stops the parent stops it too. That costs nothing until somebody
// wants to be told: only then, once, the state joins its parent's list. Until then, whoever asks
// looks at the parents as well.
//
//   node:   unlisted --add--> listed --remove-------------> unlisted
//                             listed --request_stop--> running --run() returns--> unlisted
//                             listed, lasting --the state ends--> the same
//   state:  open --request_stop (once)--> stopped --everybody has been told--> finished
//
// 1. The list, a node's links, and the step from open to stopped are touched under the lock. run() is
//    called without it.
// 2. A node that add() has listed is run exactly once, or removed, never both: request_stop and
//    remove both take it out of the list under the lock.
// 3. When remove() has returned, run() is not running on another thread and never will be. On the
//    thread that is inside run() remove() returns at once, so that a callback may end its own life.
//    request_stop does not touch a node behind run().
// 4. No stop is lost between a state and its parent. The first add() sets `joined`, then joins the
//    parent. If the parent was stopped before that, the join is refused and the adding thread stops
//    this state itself; if the parent is stopped later, it finds this state in its list. A second
//    add() that comes between relies on the first one, which is one of those two.
// 5. A state outlives its nodes, except those of add_lasting(): these are told when it ends, if they
//    are listed then. Its destructor waits until a request_stop that is under way on another thread
//    has finished: what a callback wakes may destroy the source at once.
// 6. What `used` says is there, the lists and who runs, is made under the lock by the first add() or
//    request_stop(); it is read under the lock, or for a node that has been added. Most states are made
//    for a fork and never used: they cost three stores.
#pragma once

#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/base/atomic_wait.hpp>
#include <aloft/detail/base/spin_lock.hpp>

#include <cstdint>
#include <new>

namespace aloft::inline ALOFT_ABI::detail {

/// Somebody who is to be told. It lives in an awaiter or in a stop_callback.
struct stop_node {
    stop_node* next;
    stop_node** link; // the pointer that points here; nullptr: not listed
    void (*run)(stop_node&) noexcept;

    stop_node() noexcept : next(nullptr), link(nullptr), run(nullptr) {}

    struct set_later {};

protected:
    explicit stop_node(set_later) noexcept {}
};

/// As a node it is its own entry in its parent's list, from the moment on when it joins that.
class stop_state : stop_node {
public:
    using stop_node::set_later;

    explicit stop_state(stop_state* parent = nullptr) noexcept
        : stop_node(set_later{}), parent_(parent) {}
    /// Before anything else is done with it, set_parent() is called.
    explicit stop_state(set_later) noexcept : stop_node(set_later{}) {}
    stop_state(const stop_state&) = delete;
    stop_state& operator=(const stop_state&) = delete;
    ~stop_state() {
        // order(stop.flags): acquire; what request_stop did is over
        const std::uint32_t flags = flags_.load(memory_order_acquire);
        if (flags != 0) [[unlikely]] {
            end(flags);
        }
    }

    /// Before anybody else knows this state.
    void set_parent(stop_state* parent) noexcept { parent_ = parent; }

    [[nodiscard]] bool stop_requested() const noexcept {
        for (const stop_state* each = this; each != nullptr; each = each->parent_) {
            // order(stop.flags): acquire; what came before the request becomes visible
            if ((each->flags_.load(memory_order_acquire) & stopped) != 0) {
                return true;
            }
        }
        return false;
    }

    /// False: stop has been requested, and the node is not listed. True: node.run() will be called
    /// when it is; that may be before this returns, on this thread or on another.
    [[nodiscard]] bool add(stop_node& node) noexcept {
        bool joins = false;
        {
            const spin_guard guard(lock_);
            const std::uint32_t flags = flags_when_used();
            if ((flags & stopped) != 0) {
                return false;
            }
            list(node, used_.first);
            joins = parent_ != nullptr && (flags & joined) == 0;
            if (joins) {
                flags_.store(flags | joined, memory_order_relaxed);
            }
        }
        if (joins) {
            link = nullptr;
            run = [](stop_node& self) noexcept {
                (void)static_cast<stop_state&>(self).request_stop();
            };
            if (!parent_->add(*this)) {
                (void)request_stop();
            }
        }
        return true;
    }

    /// add() for a caller that holds a lock which callbacks take: it calls none. False: use add().
    [[nodiscard]] bool add_quietly(stop_node& node) noexcept {
        const spin_guard guard(lock_);
        const std::uint32_t flags = flags_when_used();
        if (!takes_quietly(flags)) {
            return false;
        }
        list(node, used_.first);
        return true;
    }

    /// add_quietly() for a node that may outlive the state: node.run() will be called when stop is
    /// requested, or else when the state ends. It leaves the list with remove_lasting().
    [[nodiscard]] bool add_lasting(stop_node& node) noexcept {
        const spin_guard guard(lock_);
        const std::uint32_t flags = flags_when_used();
        if (!takes_quietly(flags)) {
            return false;
        }
        if ((flags & lasting) == 0) {
            flags_.store(flags | lasting, memory_order_relaxed);
        }
        list(node, used_.lasting);
        return true;
    }

    /// False: node.run() is about to be called, runs, or has run.
    [[nodiscard]] bool remove_lasting(stop_node& node) noexcept {
        const spin_guard guard(lock_);
        if (node.link == nullptr) {
            return false;
        }
        unlist(node);
        return true;
    }

    /// For every node that add() or add_quietly() was called with.
    void remove(stop_node& node) noexcept {
        {
            const spin_guard guard(lock_);
            if (node.link != nullptr) {
                unlist(node);
                return;
            }
        }
        // It has run, or runs, or was never listed.
        // order(stop.flags): acquire; used_.runner becomes visible
        if ((flags_.load(memory_order_acquire) & stopped) == 0 || used_.runner == thread_mark()) {
            return;
        }
        // order(stop.running): acquire; what run() did becomes visible
        while (used_.running.load(memory_order_acquire) == &node) {
            wait_while(used_.running, &node, memory_order_relaxed);
        }
    }

    /// True: this call was the first one. When it returns, everybody listed has been told.
    bool request_stop() noexcept {
        lock_.lock();
        std::uint32_t flags = flags_when_used();
        if ((flags & stopped) != 0) {
            lock_.unlock();
            return false;
        }
        flags |= stopped;
        used_.runner = thread_mark();
        // order(stop.flags): release; what came before the request becomes visible
        flags_.store(flags, memory_order_release);
        while (stop_node* const node = used_.first != nullptr ? used_.first : used_.lasting) {
            unlist(*node);
            used_.running.store(node, memory_order_relaxed);
            lock_.unlock();
            node->run(*node); // the node may be gone behind this
            // order(stop.running): release; what run() did becomes visible
            used_.running.store(nullptr, memory_order_release);
            notify_waiters(used_.running);
            lock_.lock();
        }
        lock_.unlock();
        // order(stop.flags): release; the destructor may go on
        flags_.store(flags | finished, memory_order_release); // PUBLISHED
        notify_waiters(flags_);
        return true;
    }

private:
    friend struct stop_state_view; // the tests' explorer

    static constexpr std::uint32_t stopped = 1;
    static constexpr std::uint32_t finished = 2;
    static constexpr std::uint32_t joined = 4;  // to the parent
    static constexpr std::uint32_t lasting = 8; // used_.lasting has been used
    static constexpr std::uint32_t used = 16;   // used_ is there

    ALOFT_NOINLINE void end(std::uint32_t flags) noexcept {
        if ((flags & joined) != 0) {
            parent_->remove(*this);
        }
        if ((flags & lasting) != 0) {
            tell_lasting();
        }
        // A request may have come before the node was removed.
        // order(stop.flags): acquire; what request_stop did is over
        flags = flags_.load(memory_order_acquire);
        while ((flags & (stopped | finished)) == stopped) {
            require(used_.runner != thread_mark(),
                    "a stop_source was destroyed by a callback of its own");
            wait_while(flags_, flags, memory_order_relaxed);
            flags = flags_.load(memory_order_acquire);
        }
        require(used_.first == nullptr, "a stop_source was destroyed before what it is to stop");
    }

    /// Under the lock.
    [[nodiscard]] std::uint32_t flags_when_used() noexcept {
        std::uint32_t flags = flags_.load(memory_order_relaxed);
        if ((flags & used) == 0) {
            ::new (static_cast<void*>(&used_)) used_part;
            flags |= used;
            flags_.store(flags, memory_order_relaxed);
        }
        return flags;
    }

    /// Only from the destructor: a request that is under way takes nodes out as well.
    void tell_lasting() noexcept {
        for (;;) {
            stop_node* node = nullptr;
            {
                const spin_guard guard(lock_);
                node = used_.lasting;
                if (node == nullptr) {
                    return;
                }
                unlist(*node);
            }
            node->run(*node);
        }
    }

    /// Whether a node can be listed without calling anybody.
    [[nodiscard]] bool takes_quietly(std::uint32_t flags) const noexcept {
        return (flags & stopped) == 0 && (parent_ == nullptr || (flags & joined) != 0);
    }

    static void list(stop_node& node, stop_node*& head) noexcept {
        node.next = head;
        node.link = &head;
        if (head != nullptr) {
            head->link = &node.next;
        }
        head = &node;
    }

    static void unlist(stop_node& node) noexcept {
        *node.link = node.next;
        if (node.next != nullptr) {
            node.next->link = node.link;
        }
        node.next = nullptr;
        node.link = nullptr;
    }

    struct used_part {
        stop_node* first = nullptr;
        stop_node* lasting = nullptr; // those that may outlive it
        atomic<stop_node*> running{nullptr};
        // Who is in request_stop; written before `stopped` is released.
        const void* runner = nullptr;
    };

    atomic<std::uint32_t> flags_{0};
    spin_lock lock_;
    stop_state* parent_;
    union {
        used_part used_;
    };
};

} // namespace aloft::inline ALOFT_ABI::detail

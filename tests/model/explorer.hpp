// SPDX-License-Identifier: MIT
// Runs a small concurrent program in every order that an x86 machine could run it in.
//
// A program is a state and a few threads over it, all of whose shared accesses go through the atomics
// of model_atomic.hpp. The threads are fibers of one operating system thread; each of them stops in
// front of every access that others could notice, and the explorer decides who goes on.
//
// The machine is x86-TSO: a store goes to its thread's buffer, and from there to memory at any later
// moment, first in, first out; a load looks into the own buffer first; a read-modify-write, a
// sequentially consistent store and a full fence wait until the own buffer is empty. A heavy fence
// empties the other threads' buffers one after the other, and anything may happen in between. What
// weaker machines add is not explored, nor are data races: the thread sanitizer's tests are for
// those.
//
// A choice is: one thread's next access, or the flush of one thread's oldest store. The explorer goes
// through the tree of choices depth first, and starts anew for every branch.
//
// Pruning. What a thread does next depends only on what its accesses have given so far; so two
// executions are in the same state if every thread has had the same results, its buffer holds the
// same stores, every location holds the same value, and what is shared without being atomic (it is
// protected by locks) is the same, for which the program gives a hash. At the head of a loop a thread
// may say what its local state is; then its earlier results do not count any more. A state that was
// reached before is not explored again. This is sound up to a collision of 64-bit hashes, and there
// is no other bound: neither on preemptions nor on depth.
//
// A thread that waits for a location to change is not offered before it has. If nobody can go on, the
// program may say whether that is a proper end; otherwise it is a lost wake-up.
#pragma once

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <ucontext.h>

namespace model {

using word = std::uint64_t;

[[nodiscard]] constexpr word mix(word a, word b) noexcept {
    word z = a * 0x9E3779B97F4A7C15u + b + 0x632BE59BD9B4E019u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

[[nodiscard]] inline word hash_of(const void* object, std::size_t bytes) noexcept {
    word hash = 0;
    for (std::size_t at = 0; at < bytes; at += sizeof(word)) {
        word next = 0;
        std::memcpy(&next, static_cast<const char*>(object) + at,
                    std::min(sizeof(word), bytes - at));
        hash = mix(hash, next);
    }
    return hash;
}

/// What an atomic object is to the machine.
struct location {
    word value = 0;

    constexpr explicit location(word initial) noexcept : value(initial) {}
};

struct pending_store {
    location* where;
    word value;
};

/// First in, first out; longer than any program's longest row of stores without a fence.
class store_buffer {
public:
    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
    void clear() noexcept { begin_ = end_ = 0; }
    void push_back(pending_store one) {
        if (end_ == stores_.size()) {
            for (std::size_t i = begin_; i < end_; ++i) {
                stores_[i - begin_] = stores_[i];
            }
            end_ -= std::exchange(begin_, 0);
            if (end_ == stores_.size()) {
                std::abort(); // a program with more stores in a row needs a longer buffer here
            }
        }
        stores_[end_++] = one;
    }
    pending_store pop_front() noexcept { return stores_[begin_++]; }
    [[nodiscard]] const pending_store* begin() const noexcept { return stores_.data() + begin_; }
    [[nodiscard]] const pending_store* end() const noexcept { return stores_.data() + end_; }

private:
    std::array<pending_store, 32> stores_{};
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

struct fiber {
    enum class wish : unsigned char { access, drained_access, change, done };

    std::function<void()> body;
    store_buffer buffer;
    ucontext_t context{};
    std::jmp_buf begin_at{};
    std::jmp_buf resume_at{};
    std::unique_ptr<char[]> stack = std::make_unique<char[]>(stack_bytes);
    // Of what the body has on the stack; the stack grows downwards.
    char* bottom = nullptr;
    const char* top = nullptr; // when it has stopped
    word history = 0;
    bool entered = false; // in some execution
    bool started = false;
    wish wants = wish::access;
    const location* waits_for = nullptr;
    word old_value = 0;

    static constexpr std::size_t stack_bytes = 64 * 1024;
};

class explorer {
public:
    struct result {
        std::size_t executions = 0;
        std::size_t steps = 0;
        std::size_t states = 0;
        std::string failure; // empty: every order is right
        std::string trace;
    };

    static explorer& instance() {
        static explorer one;
        return one;
    }

    /// Program has threads() -> std::vector<std::function<void()>>, finished(), called when all
    /// threads have ended, bool may_rest(), called when nobody can go on, and word plain_state(), a
    /// hash of what its threads share without atomics. If it has a static `remembers_plain_state`, a
    /// thread's state is its stack and its registers: needed where a thread keeps what it has read of
    /// what is shared without atomics when that has changed again.
    template <class Program>
    result explore() {
        result_ = {};
        path_.clear();
        visited_.clear();
        do {
            ++result_.executions;
            // Always at the same place, so that addresses are the same in all executions.
            alignas(Program) static std::byte memory[sizeof(Program)];
            std::memset(memory, 0, sizeof(Program)); // a program may hash its bytes
            auto* const program = ::new (static_cast<void*>(memory)) Program;
            run(*program);
            program->~Program();
        } while (result_.failure.empty() && next_path());
        result_.states = visited_.size();
        return std::move(result_);
    }

    /// The thread that runs, or nullptr outside of threads.
    [[nodiscard]] fiber* running() noexcept { return running_; }

    // ---- what the atomics call on a thread ----

    [[nodiscard]] word load(const location& at) {
        for (const pending_store* each = running_->buffer.end();
             each != running_->buffer.begin();) {
            if ((--each)->where == &at) {
                return each->value; // nobody else can notice
            }
        }
        stop(fiber::wish::access);
        expect_alive(at);
        note("loads", &at, at.value);
        remember(at.value);
        return at.value;
    }

    void store(location& at, word value) {
        expect_alive(at);
        running_->buffer.push_back({&at, value});
    }

    void store_and_drain(location& at, word value) {
        stop(fiber::wish::drained_access);
        expect_alive(at);
        note("stores at once", &at, value);
        write(at, value);
    }

    /// change(old) gives the new value and whether to write it; gives the old value.
    template <class Change>
    word exchange(location& at, Change&& change) {
        stop(fiber::wish::drained_access);
        expect_alive(at);
        const word before = at.value;
        const auto [after, written] = change(before);
        note(written ? "exchanges" : "compares", &at, written ? after : before);
        remember(before);
        if (written) {
            write(at, after);
        }
        return before;
    }

    void full_fence() {
        if (running_ != nullptr && !running_->buffer.empty()) {
            stop(fiber::wish::drained_access);
        }
    }

    void heavy_fence() {
        full_fence();
        for (const auto& each : threads_) {
            if (each.get() != running_) {
                stop(fiber::wish::access);
                note("fences another thread", nullptr, number_of(*each));
                while (!each->buffer.empty()) {
                    flush(*each);
                }
            }
        }
    }

    void wait_for_change(const location& at, word old) {
        full_fence();
        running_->waits_for = &at;
        running_->old_value = old;
        stop(fiber::wish::change);
        expect_alive(at);
        note("wakes up", &at, at.value);
        remember(at.value);
    }

    /// The thread is at the head of a loop, and `local` is all that it knows.
    void forget(word local) noexcept { running_->history = local; }

    /// No atomic object in there may be touched again.
    void bury(const void* begin, std::size_t bytes) {
        buried_.push_back({reinterpret_cast<std::uintptr_t>(begin), bytes});
    }

    /// A thread, or a check at the end, has found something wrong.
    void fail(const std::string& what) {
        if (result_.failure.empty()) {
            result_.failure = what;
        }
    }

private:
    static constexpr std::size_t most_threads = 4;
    static constexpr std::size_t most_steps_alone = 1'000;

    struct choice {
        std::uint8_t thread;
        bool flush;
    };
    /// At most two per thread.
    struct branching {
        std::array<choice, 2 * most_threads> choices;
        std::uint8_t count = 0;
        std::uint8_t taken = 0;

        void add(choice one) noexcept { choices[count++] = one; }
    };

    template <class Program>
    void run(Program& program) {
        trace_.clear();
        buried_.clear();
        memory_hash_ = 0;
        start(program.threads());
        std::size_t depth = 0;
        std::size_t alone = 0;
        for (;;) {
            const branching choices = offered();
            if (choices.count == 0) {
                end(program);
                return;
            }
            choice taken = choices.choices[0];
            if (choices.count == 1 && ++alone == most_steps_alone) {
                fail("one thread goes round for ever, and nobody else can go on");
            }
            if (choices.count > 1) {
                alone = 0;
                if (depth < path_.size()) {
                    taken = path_[depth].choices[path_[depth].taken];
                } else {
                    constexpr bool by_stack = requires { Program::remembers_plain_state; };
                    const word threads = by_stack ? states_of_stacks() : state();
                    if (!visited_.insert(mix(threads, program.plain_state())).second) {
                        return;
                    }
                    path_.push_back(choices);
                }
                ++depth;
            }
            ++result_.steps;
            apply(taken);
            if (!result_.failure.empty()) {
                write_trace();
                return;
            }
        }
    }

    template <class Program>
    void end(Program& program) {
        bool everybody = true;
        for (const auto& each : threads_) {
            everybody = everybody && each->wants == fiber::wish::done;
        }
        if (everybody) {
            program.finished();
        } else if (!program.may_rest()) {
            fail("nobody can go on, and work is left: a wake-up was lost");
        }
        if (!result_.failure.empty()) {
            write_trace();
        }
    }

    /// False: all branches have been explored.
    [[nodiscard]] bool next_path() {
        while (!path_.empty()) {
            branching& last = path_.back();
            if (++last.taken < last.count) {
                return true;
            }
            path_.pop_back();
        }
        return false;
    }

    void start(std::vector<std::function<void()>> bodies) {
        if (bodies.size() > most_threads) {
            std::abort();
        }
        while (threads_.size() < bodies.size()) {
            threads_.push_back(std::make_unique<fiber>());
        }
        threads_.resize(bodies.size());
        for (std::size_t i = 0; i < bodies.size(); ++i) {
            fiber& each = *threads_[i];
            each.body = std::move(bodies[i]);
            each.buffer.clear();
            if (each.bottom !=
                nullptr) { // so that gaps between objects are alike in all executions
                std::memset(each.bottom - fiber::stack_bytes / 16, 0, fiber::stack_bytes / 16);
            }
            each.history = 0;
            each.started = false;
            each.wants = fiber::wish::access;
        }
        for (const auto& each : threads_) {
            resume(*each); // to its first access
        }
    }

    [[nodiscard]] branching offered() const {
        branching choices;
        for (std::size_t i = 0; i < threads_.size(); ++i) {
            const auto number = static_cast<std::uint8_t>(i);
            if (can_go_on(*threads_[i])) {
                choices.add({number, false});
            }
            if (!threads_[i]->buffer.empty()) {
                choices.add({number, true});
            }
        }
        return choices;
    }

    [[nodiscard]] bool can_go_on(const fiber& each) const noexcept {
        switch (each.wants) {
        case fiber::wish::access:
            return true;
        case fiber::wish::drained_access:
            return each.buffer.empty();
        case fiber::wish::change:
            return each.waits_for->value != each.old_value;
        case fiber::wish::done:
            break;
        }
        return false;
    }

    void apply(choice taken) {
        fiber& chosen = *threads_[taken.thread];
        if (taken.flush) {
            flush(chosen);
        } else {
            resume(chosen);
        }
    }

    void flush(fiber& of) {
        const pending_store oldest = of.buffer.pop_front();
        trace_.push_back({number_of(of), "flushes", oldest.where, oldest.value});
        write(*oldest.where, oldest.value);
    }

    void write(location& at, word value) {
        const auto place = reinterpret_cast<std::uintptr_t>(&at);
        memory_hash_ ^= mix(place, at.value) ^ mix(place, value);
        at.value = value;
    }

    [[nodiscard]] word state() const noexcept {
        word hash = memory_hash_;
        for (const auto& each : threads_) {
            hash = mix(hash, each->history);
            hash = mix(hash, buffered(*each));
        }
        return hash;
    }

    [[nodiscard]] word states_of_stacks() const noexcept {
        word hash = memory_hash_;
        for (const auto& each : threads_) {
            hash = mix(hash, static_cast<word>(each->wants));
            if (each->wants != fiber::wish::done) {
                hash = mix(hash, hash_of(each->resume_at, sizeof each->resume_at));
                hash = mix(hash,
                           hash_of(each->top, static_cast<std::size_t>(each->bottom - each->top)));
            }
            hash = mix(hash, buffered(*each));
        }
        return hash;
    }

    [[nodiscard]] static word buffered(const fiber& of) noexcept {
        word hash = of.buffer.size();
        for (const pending_store& waiting : of.buffer) {
            hash = mix(hash, reinterpret_cast<std::uintptr_t>(waiting.where));
            hash = mix(hash, waiting.value);
        }
        return hash;
    }

    void remember(word given) noexcept { running_->history = mix(running_->history, given); }

    [[nodiscard]] word number_of(const fiber& of) const noexcept {
        word number = 0;
        while (threads_[number].get() != &of) {
            ++number;
        }
        return number;
    }

    // ---- fibers ----

    [[gnu::noinline]] static void run_body(fiber& self) {
        self.bottom = static_cast<char*>(__builtin_frame_address(0));
        self.body();
    }

    static void enter() {
        explorer& self = instance();
        (void)_setjmp(self.running_->begin_at); // every execution comes back to here
        run_body(*self.running_);
        self.running_->wants = fiber::wish::done;
        std::longjmp(self.back_to_, 1);
    }

    void resume(fiber& next) {
        running_ = &next;
        if (_setjmp(back_to_) == 0) {
            if (next.started) {
                std::longjmp(next.resume_at, 1);
            }
            next.started = true;
            if (std::exchange(next.entered, true)) {
                std::longjmp(next.begin_at, 1);
            }
            getcontext(&next.context);
            next.context.uc_stack.ss_sp = next.stack.get();
            next.context.uc_stack.ss_size = fiber::stack_bytes;
            next.context.uc_link = nullptr;
            makecontext(&next.context, &explorer::enter, 0);
            setcontext(&next.context);
        }
        running_ = nullptr;
    }

    /// Leaves the thread until the explorer chooses it again.
    [[gnu::noinline]] void stop(fiber::wish wants) {
        running_->wants = wants;
        running_->history = mix(running_->history, static_cast<word>(wants));
        running_->top = static_cast<const char*>(__builtin_frame_address(0));
        if (_setjmp(running_->resume_at) == 0) {
            std::longjmp(back_to_, 1);
        }
    }

    // ---- traces ----

    void expect_alive(const location& at) {
        const auto place = reinterpret_cast<std::uintptr_t>(&at);
        for (const auto& [begin, bytes] : buried_) {
            if (place - begin < bytes) {
                fail("something was touched that is gone");
            }
        }
    }

    struct event {
        word thread;
        const char* what;
        const location* where;
        word value;
    };

    void note(const char* what, const location* where, word value) {
        trace_.push_back({number_of(*running_), what, where, value});
    }

    void write_trace() {
        std::vector<const location*> names;
        for (const event& each : trace_) {
            std::size_t name = 0;
            while (name < names.size() && names[name] != each.where) {
                ++name;
            }
            if (name == names.size()) {
                names.push_back(each.where);
            }
            char line[128];
            (void)std::snprintf(line, sizeof line, "  thread %u %s",
                                static_cast<unsigned>(each.thread), each.what);
            result_.trace += line;
            if (each.where != nullptr) {
                (void)std::snprintf(line, sizeof line, " location %zu: %#llx", name,
                                    static_cast<unsigned long long>(each.value));
                result_.trace += line;
            }
            result_.trace += '\n';
        }
    }

    std::vector<std::unique_ptr<fiber>> threads_;
    fiber* running_ = nullptr;
    std::jmp_buf back_to_{};
    std::vector<branching> path_;
    std::unordered_set<word> visited_;
    std::vector<event> trace_;
    std::vector<std::pair<std::uintptr_t, std::size_t>> buried_;
    word memory_hash_ = 0;
    result result_;
};

/// Which of the bugs is there that copies of the library's headers have been given; 0: none.
inline int bug = 0;

/// To be called by a program's threads and checks.
inline void check(bool right, const char* what) {
    if (!right) {
        explorer::instance().fail(what);
    }
}

inline void bury(const void* begin, std::size_t bytes) {
    explorer::instance().bury(begin, bytes);
}

} // namespace model

// SPDX-License-Identifier: MIT
// select: waits for the first of several sends, receives and a time limit, and does only that one.
// Layer: L4 surface
//
// How exactly one branch happens: detail/coro/channel_core.hpp, 3 and 4. Who resumes the task:
// detail/coro/select_core.hpp. await_suspend goes through these steps:
//   1. with the locks of all channels, do what is ready, beginning at a random branch;
//   2. join the stop state's list, start the timers: from here on they may end it (`starting`);
//   3. with all the locks again, do what is ready now, or else list every branch (`open`).
#pragma once

#include <aloft/channel.hpp>
#include <aloft/detail/base/assert.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/callback_frame.hpp>
#include <aloft/detail/coro/channel_core.hpp>
#include <aloft/detail/coro/default_environment.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/select_core.hpp>
#include <aloft/detail/coro/waiting_room.hpp>
#include <aloft/detail/runtime/entrance.hpp>
#include <aloft/error.hpp>
#include <aloft/timer.hpp>

#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace aloft::inline ALOFT_ABI {
namespace detail {

/// What after() gives.
class after_branch {
public:
    explicit after_branch(clock_ns nanoseconds) noexcept : nanoseconds_(nanoseconds) {}
    [[nodiscard]] clock_ns nanoseconds() const noexcept { return nanoseconds_; }

private:
    clock_ns nanoseconds_;
};

/// How select uses a send or a receive.
struct select_access {
    template <class Branch>
    [[nodiscard]] static waiting_room* room(Branch& b) noexcept {
        return &b.core_->room();
    }
    template <class Branch>
    [[nodiscard]] static bool do_now(Branch& b, work_list& woken) {
        return b.take_now(woken);
    }
    template <class Branch>
    static void list(Branch& b, select_claim& claim, std::uint32_t index, executor& exec,
                     std::coroutine_handle<> frame) noexcept {
        static_assert(!Branch::may_throw,
                      "select needs values whose move constructor is noexcept: it could not take "
                      "back what it has begun");
        b.begin();
        b.select = &claim;
        b.branch = index;
        b.exec = &exec;
        b.patient = true; // the select looks after its end
        b.coroutine = frame;
        b.core_->list(b);
    }
    template <class Branch>
    static void unlist(Branch& b) noexcept {
        const spin_guard guard(b.core_->room().lock());
        b.core_->unlist(b);
    }
    template <class Branch>
    [[nodiscard]] static auto result(Branch& b) {
        if constexpr (std::is_void_v<decltype(b.take_result())>) {
            b.take_result();
            return std::monostate{};
        } else {
            return b.take_result();
        }
    }
};

/// A branch that is a send or a receive; Branch may be a reference.
template <class Branch>
class select_slot {
public:
    select_slot(Branch&& branch, select_core&, std::uint32_t) noexcept
        : branch_(static_cast<Branch&&>(branch)) {}

    static constexpr std::uint32_t timer_count = 0;
    using result = decltype(select_access::result(std::declval<Branch&>()));

    [[nodiscard]] waiting_room* room() noexcept { return select_access::room(branch_); }
    [[nodiscard]] bool do_now(work_list& woken) { return select_access::do_now(branch_, woken); }
    [[nodiscard]] static bool is_over() noexcept { return false; }
    [[nodiscard]] static bool start(const environment*, const start_place&) noexcept {
        return true;
    }
    void list(select_claim& claim, std::uint32_t index, executor& exec,
              std::coroutine_handle<> frame) noexcept {
        select_access::list(branch_, claim, index, exec, frame);
    }
    [[nodiscard]] std::uint32_t take_out() noexcept {
        select_access::unlist(branch_);
        return 0;
    }
    [[nodiscard]] result take_result() { return select_access::result(branch_); }

private:
    Branch branch_;
};

template <>
class select_slot<after_branch> : callback_frame, timer {
public:
    select_slot(after_branch&& branch, select_core& owner, std::uint32_t index) noexcept
        : callback_frame([](callback_frame* frame) noexcept {
              auto& self = *static_cast<select_slot*>(frame);
              resume_next(self.owner_->timer_ends(
                  self.phase == timer_phase::fired ? self.index_ : select_claim::canceled,
                  self)); // PUBLISHED
          }),
          owner_(&owner),
          index_(index) {
        deadline = branch.nanoseconds();
        coroutine = handle();
        stoppable = true; // on a thread that is no worker it may not have been added at the end
    }

    static constexpr std::uint32_t timer_count = 1;
    using result = std::monostate;

    [[nodiscard]] static waiting_room* room() noexcept { return nullptr; }
    [[nodiscard]] static bool do_now(work_list&) noexcept { return false; }
    [[nodiscard]] bool is_over() const noexcept { return deadline == 0; }
    /// False: the runtime is stopping.
    [[nodiscard]] bool start(const environment* env, const start_place& place) noexcept {
        deadline = after_now(env, deadline);
        started_ = place.start(*this);
        return started_;
    }
    static void list(select_claim&, std::uint32_t, executor&, std::coroutine_handle<>) noexcept {}
    [[nodiscard]] std::uint32_t take_out() noexcept {
        return started_ && detail::remove(*this) ? 1 : 0;
    }
    [[nodiscard]] static result take_result() noexcept { return {}; }

private:
    select_core* owner_;
    std::uint32_t index_;
    bool started_ = false;
};

template <class Indexes, class... Branches>
class select_awaiter;

template <std::size_t... Is, class... Branches>
class [[nodiscard]] select_awaiter<std::index_sequence<Is...>, Branches...> : select_core {
    static constexpr std::uint32_t count = sizeof...(Branches);
    static constexpr std::uint32_t timers = (0 + ... + select_slot<Branches>::timer_count);

public:
    using result = std::variant<typename select_slot<Branches>::result...>;

    explicit select_awaiter(std::tuple<Branches...>&& branches) noexcept
        : select_core([](select_core& core) noexcept {
              auto& self = static_cast<select_awaiter&>(core);
              const std::uint32_t winner = self.claim_.winner();
              self.timers_taken_out_ =
                  (0 + ... + (winner == Is ? 0u : self.template slot<Is>().take_out()));
          }),
          slots_(made_of<Branches>{std::get<Is>(branches), *this, Is}...) {}
    ~select_awaiter() {
        if (waiting_) [[unlikely]] { // the frame is destroyed early
            require(claim_.claim(select_claim::canceled) && leave(withdraw()),
                    "a frame was destroyed between getting what it waited for and being resumed");
        }
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    ALOFT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<Promise> self) {
        const environment* const env = environment_of(self);
        stop_state* const stop = stop_above(env);
        if (stop != nullptr && stop->stop_requested()) [[unlikely]] {
            claim_.decide(select_claim::canceled);
            return false;
        }
        if (work_list woken; do_now(woken)) {
            return false;
        }
        if (((slot<Is>().is_over() && (claim_.decide(Is), true)) || ...)) {
            return false;
        }
        return wait(self, env, stop);
    }

    result await_resume() {
        waiting_ = false;
        return result_of<0>(claim_.winner());
    }

private:
    /// So that slots, which do not move, are made in the tuple.
    template <class Branch>
    struct made_of {
        Branch& branch;
        select_core& owner;
        std::uint32_t index;
        operator select_slot<Branch>() noexcept { // implicit: std::tuple makes its elements with it
            return select_slot<Branch>(static_cast<Branch&&>(branch), owner, index);
        }
    };

    template <std::size_t I>
    [[nodiscard]] result result_of(std::uint32_t winner) {
        if constexpr (I < count) {
            return winner == I ? result(std::in_place_index<I>, slot<I>().take_result())
                               : result_of<I + 1>(winner);
        } else {
            if (error_) {
                std::rethrow_exception(error_);
            }
            throw_error(canceled_error(), "select");
        }
    }

    template <std::size_t I>
    [[nodiscard]] auto& slot() noexcept {
        return std::get<I>(slots_);
    }
    [[nodiscard]] std::array<waiting_room*, count> rooms() noexcept {
        return {slot<Is>().room()...};
    }

    [[nodiscard]] bool do_now(work_list& woken) {
        bool done = false;
        {
            const lock_all<count> locks(rooms());
            done = try_each(woken);
        }
        waiting_room::resume_all(woken);
        return done;
    }

    /// With all the locks, and no entries: does what is ready, and notes which one that was.
    [[nodiscard]] bool try_each(work_list& woken) {
        const std::uint32_t start = next_select_start() % count;
        for (std::uint32_t turn = 0; turn < count; ++turn) {
            const auto at = static_cast<std::uint32_t>((start + turn) % count);
            if (((at == Is && slot<Is>().do_now(woken)) || ...)) {
                claim_.decide(at);
                return true;
            }
        }
        return false;
    }

    /// The same when timers run already: what is thrown is kept until they are out.
    [[nodiscard]] bool try_each_safely(work_list& woken) noexcept {
        try {
            return try_each(woken);
        } catch (...) { // no memory for a value
            error_ = std::current_exception();
            claim_.decide(select_claim::canceled);
            return true;
        }
    }

    ALOFT_NOINLINE bool wait(std::coroutine_handle<> self, const environment* env,
                             stop_state* stop) {
        executor& exec = need_executor(env, "select");
        const start_place place(env);
        parties_.store(1 + timers, std::memory_order_relaxed);
        if (!begin(self, exec, stop)) {
            claim_.decide(select_claim::canceled);
            return false;
        }
        waiting_ = true;
        std::uint32_t refused = 0;
        ((refused += slot<Is>().start(env, place) ? 0 : 1), ...);
        if (refused > 0) {
            (void)claim_.claim_early(select_claim::canceled);
            (void)leave(refused);
        }
        work_list woken;
        bool ended = true;
        {
            const lock_all<count> locks(rooms());
            if (!try_each_safely(woken) && claim_.open()) {
                (slot<Is>().list(claim_, Is, exec, handle()), ...);
                ended = false;
            }
        }
        if (!ended) {
            return true; // PUBLISHED
        }
        waiting_room::resume_all(woken);
        return !leave(withdraw()); // PUBLISHED if true: a timer's callback is still to come
    }

    bool waiting_ = false;
    std::exception_ptr error_;
    std::tuple<select_slot<Branches>...> slots_;
};

template <class... Branches>
class [[nodiscard]] select_awaitable {
public:
    explicit select_awaitable(Branches&&... branches) noexcept
        : branches_(static_cast<Branches&&>(branches)...) {}

    [[nodiscard]] auto operator co_await() && noexcept {
        return select_awaiter<std::index_sequence_for<Branches...>, Branches...>(
            std::move(branches_));
    }

private:
    std::tuple<Branches...> branches_;
};

template <class Branch>
concept is_select_branch = std::is_same_v<std::remove_cvref_t<Branch>, after_branch> ||
                           requires(std::remove_cvref_t<Branch>& b) { select_access::room(b); };

} // namespace detail

/// Purpose: a branch of select() that is taken when the time is over, counted from the await;
/// `after(0ms)` is taken at once if no other one is ready.
/// Thread safety: a plain value. Lifetime: none of its own. Errors, cancellation: none.
/// Cost: a timer in the worker's wheel while the select waits.
template <class Rep, class Period>
[[nodiscard]] auto after(std::chrono::duration<Rep, Period> duration) noexcept {
    return detail::after_branch(detail::to_nanoseconds(duration));
}

/// Purpose: `auto r = co_await select(a.recv(), b.send(x), after(50ms));` waits until one of them
/// can be done, does that one, and leaves no trace of the others. r is a std::variant; r.index()
/// says which it was, std::get<0>(r) is what a receive gave (std::nullopt: closed and empty), sends
/// and limits give std::monostate. Where several are ready one is chosen at random.
///
/// Thread safety: any thread; needs a runtime where it has to wait. A channel may be in it twice.
/// Lifetime: temporaries move in; sends and receives that have a name are referred to, so that a
/// value that was not sent is still there: `auto s = b.send(x); ... select(a.recv(), s) ...
/// s.value()`. Channels must outlive it; but the one over which it has sent is in the receiver's
/// hands, as with a plain send.
/// Errors: std::errc::broken_pipe if a send is the one, because its channel is closed. Values must
/// be movable without exceptions.
/// Cancellation: a task that is stopped before, or while it waits, gives up with
/// std::errc::operation_canceled; then none of them was done.
/// Cost: a short lock for each channel, all of them at once, and once more where it has to wait; no
/// allocation.
template <detail::is_select_branch... Branches>
    requires(sizeof...(Branches) > 0)
[[nodiscard]] auto select(Branches&&... branches) noexcept {
    return detail::select_awaitable<Branches...>(std::forward<Branches>(branches)...);
}

} // namespace aloft::inline ALOFT_ABI

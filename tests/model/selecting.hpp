// SPDX-License-Identifier: MIT
// Selects that meet each other, plain receivers, a close, a stop request and a time limit: exactly one
// branch of each happens, with exactly one partner, and nobody touches what a task that has gone on
// may have destroyed.
//
// Real: select.hpp with select_core and select_claim, channel.hpp with channel_core, waiting_room,
// stop_state, spin_lock, all of them. Transcribed: the pool's queue, in which a post is one step; the
// worker, who resumes what is there; a timer between its end and whoever takes it out.
#pragma once

#include <aloft/channel.hpp>
#include <aloft/detail/coro/callback_frame.hpp>
#include <aloft/detail/coro/executor.hpp>
#include <aloft/detail/coro/stop_state.hpp>
#include <aloft/detail/coro/unhandled_sink.hpp>
#include <aloft/detail/reactor/timer.hpp>
#include <aloft/detail/runtime/entrance.hpp>
#include <aloft/select.hpp>

#include "bare_executor.hpp"
#include "by_hand.hpp"
#include "explorer.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace model {

/// What a task knows when it goes on.
enum class outcome : unsigned char {
    none,
    sent,
    received,
    refused,
    ended,
    canceled,
};

/// Where a thread finds the task that what it resumed has handed it.
struct resumable : aloft::detail::callback_frame {
    resumable(void (*go_on)(resumable&), const aloft::detail::environment& env) noexcept
        : callback_frame([](callback_frame* frame) noexcept {
              auto* const self = static_cast<resumable*>(frame);
              check(next == nullptr, "two tasks were resumed at one place");
              next = self;
          }),
          promise_{&env},
          continue_(go_on) {}

    /// Resumes what was queued, and then the task that it has handed the thread to.
    static void resume(std::coroutine_handle<> coroutine) {
        coroutine.resume();
        if (resumable* const task = std::exchange(next, nullptr)) {
            task->continue_(*task);
        }
    }

    static inline resumable* next = nullptr;

protected:
    struct promise {
        const aloft::detail::environment* env;
    };
    [[nodiscard]] auto coroutine() noexcept {
        const auto self = std::coroutine_handle<promise>::from_address(handle().address());
        check(&self.promise() == &promise_, "this compiler keeps promises elsewhere");
        return self;
    }

private:
    promise promise_; // right behind the two functions, where compilers keep it
    void (*continue_)(resumable&);
};

/// Nothing is ever posted twice, and a worker resumes what is posted.
class select_pool final : public bare_executor {
public:
    void post(aloft::detail::work_node& node) noexcept override {
        posted_.fetch_add(1); // nothing comes between this and the next line
        nodes_.push(node);
    }
    void post_all(aloft::detail::work_list&& nodes) noexcept override {
        posted_.fetch_add(static_cast<int>(nodes.size()));
        nodes_.append(std::move(nodes));
    }

    /// The only worker, for ever.
    void work() {
        for (;;) {
            if (posted_.load() == 0) {
                posted_.wait(0);
            }
            posted_.fetch_sub(1);
            resumable::resume(nodes_.pop()->coroutine);
        }
    }

private:
    aloft::detail::atomic<int> posted_{0};
    aloft::detail::work_list nodes_;
};

/// The numbers with which selects begin their search are the program's.
struct select_dice : aloft::detail::simulated_world {
    explicit select_dice(std::uint64_t first) noexcept : state(first) {}
    std::uint64_t draw() noexcept override { return state << 32; }
    std::uint64_t state;
};

/// A task that awaits one thing. Make gives the awaiter; `at_end` is what it does when it goes on.
template <class Awaiter>
class awaiting : resumable {
public:
    explicit awaiting(const aloft::detail::environment& env) noexcept
        : resumable([](resumable& self) { static_cast<awaiting&>(self).go_on(); }, env) {}

    template <class Make>
    void begin(Make make) {
        ::new (static_cast<void*>(&awaiter_.value)) Awaiter(make());
        if (!awaiter_.value.await_suspend(coroutine())) {
            go_on();
        } // PUBLISHED
    }

    [[nodiscard]] bool suspended() const noexcept { return how == outcome::none; }
    [[nodiscard]] bool has(outcome what, int with) const noexcept {
        return how == what && value == with;
    }

    outcome how = outcome::none;
    int value = 0;
    std::size_t branch = 0;
    void (*at_end)(void* program) = nullptr;
    void* program = nullptr;

private:
    void go_on() {
        check(how == outcome::none, "a task was resumed twice");
        try {
            if constexpr (requires { awaiter_.value.await_resume().index(); }) {
                auto result = awaiter_.value.await_resume();
                branch = result.index();
                std::visit([this](auto& one) { this->note(one); }, result);
            } else {
                std::optional<int> result = awaiter_.value.await_resume();
                note(result);
            }
        } catch (const std::system_error& error) {
            how = error.code() == std::errc::broken_pipe ? outcome::refused : outcome::canceled;
        }
        awaiter_.destroy();
        if (at_end != nullptr) {
            at_end(program);
        }
    }

    void note(const std::optional<int>& received) noexcept {
        how = received ? outcome::received : outcome::ended;
        value = received.value_or(0);
    }
    void note(std::monostate) noexcept { how = outcome::sent; }

    by_hand<Awaiter> awaiter_;
};

template <class Awaitable>
[[nodiscard]] auto awaiter_of(Awaitable&& awaitable) {
    return std::forward<Awaitable>(awaitable).operator co_await();
}
template <class... Branches>
using select_of = decltype(awaiter_of(aloft::select(std::declval<Branches>()...)));
using channel_of_int = aloft::channel<int>;
using sending = channel_of_int::send_awaiter;
using receiving = channel_of_int::recv_awaiter;

/// What the programs share. First is where selects look first.
template <std::uint64_t First>
class selecting {
public:
    static constexpr bool remembers_plain_state = true;

protected:
    selecting() {
        resumable::next = nullptr;
        for (auto& each : channels_) {
            ::new (static_cast<void*>(&each.value)) channel_of_int(0);
        }
        ::new (static_cast<void*>(&stop_.value)) aloft::detail::stop_state();
        pool_.world = &dice_;
        environment_.exec = &pool_;
        aloft::detail::set_current_environment(&environment_);
    }
    selecting(const selecting&) = delete;
    selecting& operator=(const selecting&) = delete;
    ~selecting() { aloft::detail::set_current_environment(nullptr); }

    [[nodiscard]] channel_of_int& left() noexcept { return channels_[0].value; }
    [[nodiscard]] channel_of_int& right() noexcept { return channels_[1].value; }
    void destroy_left() { channels_[0].destroy(); }
    void destroy_right() { channels_[1].destroy(); }

    select_pool pool_;
    select_dice dice_{First};
    aloft::detail::environment environment_{};
    by_hand<aloft::detail::stop_state> stop_;
    std::array<by_hand<channel_of_int>, 2> channels_;
};

/// Two selects, each of which sends where the other one receives. They agree on one channel, which the
/// one that receives destroys when it goes on.
template <std::uint64_t First>
class two_selects : public selecting<First> {
public:
    two_selects() {
        first_.program = second_.program = this;
        first_.at_end = [](void* self) {
            auto& program = *static_cast<two_selects*>(self);
            if (program.first_.how == outcome::received) {
                program.destroy_right();
            }
        };
        second_.at_end = [](void* self) {
            auto& program = *static_cast<two_selects*>(self);
            if (program.second_.how == outcome::received) {
                program.destroy_left();
            }
        };
    }

    std::vector<std::function<void()>> threads() {
        return {
            [this] {
                first_.begin([this] {
                    return awaiter_of(aloft::select(this->left().send(1), this->right().recv()));
                });
            },
            [this] {
                second_.begin([this] {
                    return awaiter_of(aloft::select(this->right().send(2), this->left().recv()));
                });
            },
            [this] { this->pool_.work(); }};
    }
    void finished() {}
    [[nodiscard]] bool may_rest() const {
        const bool by_left = first_.how == outcome::sent && second_.has(outcome::received, 1);
        const bool by_right = second_.how == outcome::sent && first_.has(outcome::received, 2);
        return by_left != by_right;
    }
    [[nodiscard]] word plain_state() const { return hash_of(this, sizeof *this); }

private:
    using task = select_of<sending, receiving>;
    awaiting<task> first_{this->environment_};
    awaiting<task> second_{this->environment_};
};

/// One select offers on both channels; another one wants what it has, and somebody takes it if it waits.
template <std::uint64_t First>
class one_offers_two_want : public selecting<First> {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] {
                    offers_.begin([this] {
                        return awaiter_of(
                            aloft::select(this->left().send(1), this->right().send(2)));
                    });
                },
                [this] {
                    wants_.begin([this] {
                        return awaiter_of(aloft::select(this->right().recv(), this->left().recv()));
                    });
                },
                [this] { taken_ = this->left().try_recv().value_or(0); },
                [this] { this->pool_.work(); }};
    }
    void finished() {}
    [[nodiscard]] bool may_rest() const {
        const int sent = offers_.how != outcome::sent ? 0 : offers_.branch == 0 ? 1 : 2;
        return sent != 0 && (taken_ == 0 ? wants_.has(outcome::received, sent)
                                         : taken_ == sent && wants_.suspended());
    }
    [[nodiscard]] word plain_state() const { return hash_of(this, sizeof *this); }

private:
    awaiting<select_of<sending, sending>> offers_{this->environment_};
    awaiting<select_of<receiving, receiving>> wants_{this->environment_};
    int taken_ = 0;
};

/// A select sends where a plain receiver waits, while somebody closes that channel.
template <std::uint64_t First>
class select_and_close : public selecting<First> {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] {
                    select_.begin([this] {
                        return awaiter_of(
                            aloft::select(this->left().send(1), this->right().recv()));
                    });
                },
                [this] { receives_.begin([this] { return this->left().recv(); }); },
                [this] { closed_ = this->left().close(); }, [this] { this->pool_.work(); }};
    }
    void finished() {}
    [[nodiscard]] bool may_rest() const {
        const bool handed_over =
            select_.how == outcome::sent && receives_.has(outcome::received, 1);
        const bool nothing = select_.how == outcome::refused && receives_.how == outcome::ended;
        return closed_ && handed_over != nothing;
    }
    [[nodiscard]] word plain_state() const { return hash_of(this, sizeof *this); }

private:
    awaiting<select_of<sending, receiving>> select_{this->environment_};
    awaiting<receiving> receives_{this->environment_};
    bool closed_ = false;
};

/// A select receives while somebody sends, if it waits, and somebody stops it. If it has the value it
/// destroys the channels.
template <std::uint64_t First>
class select_and_stop : public selecting<First> {
public:
    select_and_stop() {
        this->environment_.stop = &this->stop_.value;
        select_.program = this;
        select_.at_end = [](void* self) {
            auto& program = *static_cast<select_and_stop*>(self);
            if (program.select_.how == outcome::received) {
                program.destroy_left();
                program.destroy_right();
            }
        };
    }

    std::vector<std::function<void()>> threads() {
        return {[this] {
                    select_.begin([this] {
                        return awaiter_of(aloft::select(this->left().recv(), this->right().recv()));
                    });
                },
                [this] { sent_ = this->right().try_send(2); },
                [this] { stopped_ = this->stop_.value.request_stop(); },
                [this] { this->pool_.work(); }};
    }
    void finished() {}
    [[nodiscard]] bool may_rest() const {
        return stopped_ &&
               (sent_ ? select_.has(outcome::received, 2) : select_.how == outcome::canceled);
    }
    [[nodiscard]] word plain_state() const { return hash_of(this, sizeof *this); }

private:
    awaiting<select_of<receiving, receiving>> select_{this->environment_};
    bool sent_ = false;
    bool stopped_ = false;
};

/// The only timer: armed when the select starts it, and then taken out or ended.
class model_timer {
public:
    [[nodiscard]] bool arm(aloft::detail::timer& t) noexcept {
        timer_ = &t;
        t.phase = aloft::detail::timer_phase::armed;
        state_.store(armed);
        return true;
    }
    [[nodiscard]] bool take_out() noexcept { return leaves_for(idle); }

    /// When it is armed, whoever looks after timers ends it, unless it is gone.
    void end_it() {
        state_.wait(idle);
        if (leaves_for(ended)) {
            timer_->phase = aloft::detail::timer_phase::fired;
            resumable::resume(timer_->coroutine);
        }
    }

private:
    static constexpr int idle = 0;
    static constexpr int armed = 1;
    static constexpr int ended = 2;

    [[nodiscard]] bool leaves_for(int next) noexcept {
        int expected = armed;
        return state_.compare_exchange_strong(expected, next);
    }

    aloft::detail::atomic<int> state_{idle};
    aloft::detail::timer* timer_ = nullptr;
};

inline model_timer* the_timer = nullptr;

/// A select receives until its time is over, while somebody sends, if it waits.
template <std::uint64_t First>
class select_and_timer : public selecting<First> {
public:
    select_and_timer() { the_timer = &timer_; }

    std::vector<std::function<void()>> threads() {
        return {[this] {
                    select_.begin([this] {
                        return awaiter_of(aloft::select(this->left().recv(),
                                                        aloft::after(std::chrono::nanoseconds(1))));
                    });
                },
                [this] { sent_ = this->left().try_send(2); }, [this] { timer_.end_it(); },
                [this] { this->pool_.work(); }};
    }
    void finished() {}
    [[nodiscard]] bool may_rest() const {
        return sent_ ? select_.has(outcome::received, 2)
                     : select_.how == outcome::sent && select_.branch == 1; // the time is over
    }
    [[nodiscard]] word plain_state() const { return hash_of(this, sizeof *this); }

private:
    awaiting<select_of<receiving, aloft::detail::after_branch>> select_{this->environment_};
    model_timer timer_;
    bool sent_ = false;
};

} // namespace model

// ---- what a select uses of the scheduler ----

namespace aloft::inline ALOFT_ABI::detail {

operation_executor* open_scheduler(const runtime_options&, environment_owner&, environment&,
                                   std::string&) {
    std::abort(); // no program uses the default runtime
}
start_place::start_place(const environment*) : here_(nullptr) {}
bool start_place::start(timer& t) const noexcept {
    return model::the_timer->arm(t);
}
bool remove(timer&) noexcept {
    return model::the_timer->take_out();
}

} // namespace aloft::inline ALOFT_ABI::detail
